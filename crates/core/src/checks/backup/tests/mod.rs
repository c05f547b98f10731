mod messages;
mod properties;
mod scenarios;
mod world;

use self::scenarios::Scenario;
use self::world::World;

#[test]
fn every_situation_is_judged_as_the_table_says() {
    let mut wrong = Vec::new();
    for scenario in scenarios::all() {
        let said = World::of(&scenario).said(&scenario);
        if said != scenario.expect {
            wrong.push(format!("{}: expected {}, said {said}", scenario.name, scenario.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Objects that can't be projected are judged unknown, which would pass for an expectation.
#[test]
fn only_the_malformed_situations_have_malformed_objects() {
    for Scenario { name, objects, .. } in scenarios::all() {
        let world = World::new(&objects);
        assert_eq!(world.has_malformed(), name.starts_with("malformed:"), "{name}");
    }
}
