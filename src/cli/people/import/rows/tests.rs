use super::*;
use crate::cli::people::import::{columns::parse_mapping, managers::resolve};

const HEADER: &str = "Employee ID,Full name,Email,Username,Manager,Start,End,Department,Roles\n";

fn import(text: &str, mappings: &[&str], date_format: &str) -> (Export, Issues) {
    let mappings: Vec<Mapping> = mappings.iter().map(|text| parse_mapping(text).unwrap()).collect();
    let reading = Reading { delimiter: None, date_format, mappings: &mappings };
    let mut issues = Issues::default();
    let mut export = read(text, &reading, &mut issues);
    resolve(&mut export, &[], &mut issues);
    (export, issues)
}

#[test]
fn people_are_read_by_the_usual_columns() {
    let text = format!(
        "{HEADER}7,Sam Smith,sam@corp.example,sam,,2020-01-01,,Board,\n\
         8,\"Doe, Jane\",jane@corp.example,jane;oidc:jane,sam@corp.example,2024-02-29,2026-12-31,Platform,engineer | on-call\n\
         ,,,,,,,,\n"
    );
    for text in [
        text.clone(),
        text.replace("\"Doe, Jane\"", "Jane")
            .replace(',', ";")
            .replace("jane;oidc:jane", "jane|oidc:jane"),
    ] {
        let (export, issues) = import(&text, &[], "");
        assert!(issues.is_empty(), "{issues}");
        let [sam, jane] = export.rows.as_slice() else { panic!("{:?}", export.rows) };
        assert_eq!((sam.name.as_str(), sam.spec.manager.as_deref()), ("7", None));
        assert_eq!((jane.name.as_str(), jane.line), ("8", 3));
        assert_eq!(jane.spec.manager.as_deref(), Some("7"));
        assert_eq!(jane.spec.identities.usernames, ["jane", "oidc:jane"]);
        assert_eq!(jane.spec.roles, ["engineer", "on-call"]);
        assert_eq!(jane.spec.start_date.as_deref(), Some("2024-02-29"));
    }
    let text = "Vorname;Nachname;Mail;Chef;Eintritt\nJane;Doe;jane@corp.example;Sam Smith;01.02.2024\nSam;Smith;sam@corp.example;;31.12.2019\n";
    let maps = ["firstName=Vorname", "lastName=Nachname", "manager=Chef", "startDate=Eintritt"];
    let (export, issues) = import(text, &maps, "%d.%m.%Y");
    assert!(issues.is_empty(), "{issues}");
    let jane = &export.rows[0];
    assert_eq!(jane.name, "jane.corp.example");
    assert_eq!(jane.spec.display_name, "Jane Doe");
    assert_eq!(jane.spec.identities.usernames, ["jane@corp.example"]);
    assert_eq!(jane.spec.manager.as_deref(), Some("sam.corp.example"));
    assert_eq!(jane.spec.start_date.as_deref(), Some("2024-02-01"));
}

#[test]
fn every_mistake_names_line_field_and_remedy() {
    let sam = "1,Sam,sam@c,sam,,2020-01-01,,,\n";
    for (rows, told) in [
        (
            "2,Jane,jane@c,jane,,31.02.2026,,,\n",
            vec!["line 3, column Start: \"31.02.2026\" is not a day", "--date-format"],
        ),
        (
            "2,Jane,jane@c,jane,,2026-02-29,,,\n",
            vec!["line 3, column Start: \"2026-02-29\" is not a day"],
        ),
        (
            "2,Jane,jane@c,jane,,2026-02-02,2026-01-01,,\n",
            vec!["line 3, spec.endDate: 2026-01-01 is before"],
        ),
        ("2,,jane@c,jane,,,,,\n", vec!["line 3, column Full name: is empty; write"]),
        ("2,Jane,jane@c,,,,,,\n", vec!["line 3, column Username: is empty; write"]),
        (",Jane,jane@c,jane,,,,,\n", vec!["line 3, column Employee ID: is empty"]),
        ("2,Jane,jane,jane,,,,,\n", vec!["line 3, spec.email: is not an e-mail address"]),
        ("2,Jane,jane@c,*@c,,,,,\n", vec!["line 3, column Username: \"*@c\" is a pattern"]),
        (
            "2,Jane,jane@c,system:admin,,,,,\n",
            vec!["line 3, column Username: \"system:admin\" is a part"],
        ),
        (
            "2,Jane,jane@c,sam,,,,,\n",
            vec!["line 3, column Username: \"sam\" is the user name of line 2 as well"],
        ),
        (
            "1,Jane,jane@c,jane,,,,,\n",
            vec!["line 3, column Employee ID: it makes the Person 1, as line 2 does", "--map id="],
        ),
        (
            "2,Jane,jane@c,jane,nobody,,,,\n",
            vec!["line 3, column Manager: \"nobody\" is nobody of the export"],
        ),
        (
            "2,Jane,jane@c,jane,Jane,,,,\n",
            vec!["line 3, column Manager: the managers lead back to 2: 2 -> 2"],
        ),
        (
            "2,Jane,jane@c,jane,3,,,,\n3,Joe,joe@c,joe,2,,,,\n",
            vec!["line 3, column Manager: the managers lead back to 2: 2 -> 3 -> 2"],
        ),
        (
            "2,Jane,jane@c,jane,Joe Low,,,,\n3,Joe Low,joe@c,joe,,,,,\n4,Joe Low,joe2@c,joe2,,,,,\n",
            vec!["line 3, column Manager: \"Joe Low\" is the name of several"],
        ),
        ("2,Jane,jane@c\n", vec!["line 3, the row: the row has 3 cells, and the header 9"]),
        ("2,\"Jane,jane@c,jane,,,,,\n", vec!["line 3, the row: the row has 2 cells"]),
    ] {
        let (_, issues) = import(&format!("{HEADER}{sam}{rows}"), &[], "");
        for part in told {
            assert!(issues.to_string().contains(part), "{rows}: {issues}");
        }
        assert_eq!(issues.to_string().lines().count(), 1, "{issues}");
    }
    for (text, maps, told) in [
        ("", vec![], "it is empty"),
        (HEADER, vec![], "it has no row"),
        (
            "Name,Email\nJane,jane@c\n",
            vec!["department=Abteilung"],
            "--map department=Abteilung: the export has no such column; write one of Name, Email",
        ),
        (
            "Name,Email\nJane,jane@c\n",
            vec!["roles=Name", "roles=Email"],
            "the field is mapped twice",
        ),
        ("Name,A,A,Email\nJane,,,jane@c\n", vec!["roles=A"], "several columns of that name"),
        ("Foo,Email\nJane,jane@c\n", vec![], "name it with --map displayName=COLUMN"),
        ("Name,Foo\nJane,jane@c\n", vec![], "name it with --map username=COLUMN"),
        (
            "Name,Email,K\nJane,jane@c,A b\n",
            vec!["name=K"],
            "column K: \"A b\" can't name an object",
        ),
    ] {
        let (export, issues) = import(text, &maps, "");
        assert!(issues.to_string().contains(told), "{text}: {issues}");
        assert!(export.rows.is_empty());
    }
    assert!(parse_mapping("shoe=Size").unwrap_err().contains("displayName"));
    assert!(parse_mapping("roles").is_err() && parse_mapping("roles=").is_err());
}

#[test]
fn somebody_who_came_back_is_no_duplicate() {
    let (_, issues) = import(
        &format!(
            "{HEADER}1,Jane,j@c,jane,,2020-01-01,2021-01-01,,\n2,Jane,j@c,jane,,2022-01-01,,,\n"
        ),
        &[],
        "",
    );
    assert!(issues.is_empty(), "{issues}");
}

#[test]
fn a_hundred_thousand_rows_are_read_and_what_is_told_is_bounded() {
    let mut text = String::from(HEADER);
    for one in 0..100_000 {
        let manager = if one == 0 { String::new() } else { (one / 10).to_string() };
        let row = format!("{one},P {one},p{one}@c,p{one},{manager},2020-01-01,,D,engineer\n");
        text.push_str(&row);
    }
    let started = std::time::Instant::now();
    let (export, issues) = import(&text, &[], "");
    assert!(issues.is_empty(), "{issues}");
    assert_eq!(export.rows.len(), 100_000);
    // Far more than it takes, on the slowest machine: what it must not be is quadratic.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let (_, issues) = import(&text.replace("2020-01-01", "soon"), &[], "");
    let told = issues.to_string();
    assert_eq!(told.lines().count(), 21);
    assert!(told.ends_with("and 99980 more"), "{told}");
}
