//! Random expressions of a wanted type, from the tables.

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::tables;

/// How deep calls are nested.
const DEPTH: usize = 2;

pub struct Generator {
    random: SmallRng,
    literals: Vec<(&'static str, &'static str)>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), literals: tables::literals().collect() }
    }

    /// A template with a random expression for each `{type}`.
    pub fn fill(&mut self, template: &str) -> String {
        self.filled(template, DEPTH)
    }

    /// The expression with one character left out, put in or replaced: most are no expressions.
    #[allow(dead_code, reason = "of one of the two tests that share this file")]
    pub fn torn(&mut self, expression: &str) -> String {
        let mut characters: Vec<char> = expression.chars().collect();
        let at = self.random.random_range(0..=characters.len());
        let marks: Vec<char> = "()[]{}.,?:!-+*/%<>=&|'\"\\ru01ex \n_$`#é".chars().collect();
        let mark = *marks.choose(&mut self.random).unwrap();
        match (self.random.random_range(0..3), at < characters.len()) {
            (0, true) => drop(characters.remove(at)),
            (1, true) => characters[at] = mark,
            _ => characters.insert(at, mark),
        }
        characters.into_iter().collect()
    }

    fn filled(&mut self, template: &str, depth: usize) -> String {
        let mut output = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('«') {
            output.push_str(before);
            let (of, after) = after.split_once('»').unwrap();
            let expression = self.expression(of, depth);
            output.push_str(&expression);
            rest = after;
        }
        output + rest
    }

    /// An expression of a type; now and then of another one, or of none that is known.
    fn expression(&mut self, of: &str, depth: usize) -> String {
        let of = if self.random.random_ratio(1, 60) {
            self.literals.choose(&mut self.random).unwrap().0
        } else {
            of
        };
        let expression = self.typed(of, depth);
        if self.random.random_ratio(1, 8) { format!("dyn({expression})") } else { expression }
    }

    fn typed(&mut self, of: &str, depth: usize) -> String {
        let nested = depth > 0 && self.random.random_ratio(2, 5);
        if nested {
            let templates: Vec<_> =
                tables::templates().filter(|(result, _)| *result == of).collect();
            if let Some((_, template)) = templates.choose(&mut self.random) {
                return self.filled(template, depth - 1);
            }
        }
        let literals: Vec<_> =
            self.literals.iter().filter(|(known, _)| *known == of).map(|(_, text)| *text).collect();
        (*literals.choose(&mut self.random).unwrap()).to_owned()
    }
}
