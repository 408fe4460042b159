//! What the documents say is so: names exist, tables and examples are those of the code.

use integration_tests::experiment::{Row, markdown};
use qa_pool::{Config, Settings};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the table rows of a section.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = text.split(&format!("{heading}\n")).nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The blocks of code of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" && !name.as_encoded_bytes().starts_with(b".") {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *all += &fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn every_test_that_guards_an_invariant_exists() {
    let mut code = String::new();
    sources(&root(), &mut code);
    let document = read("ARCHITECTURE.md");
    let guards = document.split("(test").skip(1).map(|rest| rest.split(')').next().unwrap());
    let names: Vec<_> = guards.flat_map(quoted).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

#[test]
fn the_page_of_experiments_is_made_of_its_rows() {
    let rows: Vec<Row> = serde_json::from_str(&read("docs/experiments.json")).unwrap();
    let page = read("docs/experiments.md");
    assert!(page == markdown(&rows), "docs/experiments.md was edited; `make experiments` makes it");
    let mut ids: Vec<_> = rows.iter().map(|row| &*row.id).collect();
    ids.dedup();
    let all = [
        "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "E12", "E13", "E14",
        "E15", "E16", "E17", "E18", "E19", "E20", "E21", "E22", "E23", "E24", "E25", "E26", "E27",
        "E28", "E30", "E31", "E32",
    ];
    assert_eq!(ids, all, "every experiment has its rows, in order");
}

#[test]
fn the_readme_s_main_is_the_example() {
    let example = read("qa-pool/examples/quickstart.rs");
    let readme = read("README.md");
    let main = blocks(&readme, "rust")[0];
    assert!(main.len() > 300 && example.ends_with(main), "{main}");
}

/// The README's is the example.
#[test]
fn the_code_of_every_other_document_is_compiled() {
    let chapters = read("integration-tests/src/guide.rs");
    let with_code = documents().into_iter().filter(|name| read(name).contains("```rust"));
    let names: Vec<_> = with_code.filter(|name| name != "README.md").collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let file = name.rsplit('/').next().unwrap();
        let is_one =
            chapters.contains(&format!("\"{file}\"")) || chapters.contains(&format!("/{file}\""));
        assert!(is_one, "{name} is no chapter of integration-tests/src/guide.rs");
    }
}

#[test]
fn the_tables_of_metrics_are_those_of_the_code() {
    let document = read("docs/metrics.md");
    for (heading, table) in [
        ("## Every resource", &qa_pool::core::metrics::TABLE[..]),
        ("## RabbitMQ, beside those", &qa_pool::amqp::metrics::TABLE[..]),
        ("## MongoDB, beside those", &qa_pool::mongo::metrics::TABLE[..]),
        ("## ClickHouse, beside those", &qa_pool::clickhouse::metrics::TABLE[..]),
        ("## Redis, beside those", &qa_pool::redis::metrics::TABLE[..]),
    ] {
        let rows = rows(&document, heading);
        assert_eq!(rows.len(), table.len(), "{heading}");
        for (row, (name, kind, _, _)) in rows.iter().zip(table) {
            assert_eq!(row[0], format!("`{name}`"));
            let kind = format!("{kind:?}").to_lowercase();
            assert!(row[1].starts_with(&kind), "{name}: {} and not {kind}", row[1]);
        }
    }
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let document = read("docs/configuration.md");
    let rows = rows(&document, "### Settings of a resource");
    let mut text = String::from("[[resource]]\nname = 'r'\nurl = 'redis://h'\n");
    for row in &rows {
        let (key, value) = (row[0].trim_matches('`'), row[2].trim_matches('`'));
        if value == "none" {
            continue;
        }
        let number = value.parse::<u32>().is_ok();
        let value = if number { value.to_owned() } else { format!("'{value}'") };
        writeln!(text, "{key} = {value}").unwrap();
    }
    let config = Config::from_toml(&text).unwrap();
    assert_eq!(config.resources[0].settings, Settings::default());
    // What is not in the table would have taken its default: the error for an unknown key lists all.
    let unknown = Config::from_toml("[[resource]]\nname = 'r'\nurl = 'redis://h'\nx = 1");
    let error = unknown.unwrap_err().to_string();
    let known = error.split("expected one of").nth(1).unwrap().split(", or").next().unwrap();
    let known: Vec<_> = quoted(known).collect();
    let documented: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_examples_of_a_configuration_are_valid() {
    for document in ["README.md", "docs/configuration.md"] {
        let text = read(document);
        let blocks = blocks(&text, "toml");
        let examples = blocks.iter().filter(|block| block.contains("[[resource]]"));
        let config = examples.map(|example| Config::from_toml(&example.replace("${", "{")));
        let config: Vec<_> = config.map(Result::unwrap).collect();
        assert_eq!(config[0].resources.len(), 2, "{document}");
    }
}

/// A file's text as its schema sees it.
fn as_json(text: &str) -> serde_json::Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn the_schema_that_is_kept_is_the_one_of_the_code() {
    let kept: serde_json::Value = serde_json::from_str(&read("docs/qa.schema.json")).unwrap();
    assert!(
        kept == Config::schema(),
        "write it anew: cargo run -p qa-cli -- config --schema > docs/qa.schema.json"
    );
}

#[test]
fn the_examples_are_valid_by_the_schema_too() {
    let schema = jsonschema::draft202012::new(&Config::schema()).unwrap();
    let mut seen = 0;
    for document in ["README.md", "docs/configuration.md"] {
        let text = read(document);
        for example in blocks(&text, "toml").iter().filter(|text| text.contains("[[resource]]")) {
            let wrong: Vec<_> =
                schema.iter_errors(&as_json(example)).map(|e| e.to_string()).collect();
            assert!(wrong.is_empty(), "{document}: {wrong:#?}");
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn schema_and_parser_refuse_the_same() {
    let schema = jsonschema::draft202012::new(&Config::schema()).unwrap();
    let properties = &Config::schema()["properties"]["resource"]["items"]["properties"];
    let keys: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    let resource = "[[resource]]\nname = 'r'\nurl = 'redis://h'\n";
    let mut cases = vec![
        (true, String::new()),
        (true, resource.to_owned()),
        (true, format!("shutdown_timeout = '1m 30s'\n{resource}acquire_timeout = '250ms'")),
        (true, format!("{resource}max_in_flight = 0\nrequired = false\n[resource.tls]")),
        (true, format!("{resource}user = 'u'\npassword = 'p'")),
        (false, "colour = 'red'".to_owned()),
        (false, "shutdown_timeout = 25".to_owned()),
        (false, "[[resource]]\nurl = 'redis://h'".to_owned()),
        (false, "[[resource]]\nname = ''\nurl = 'redis://h'".to_owned()),
        (false, format!("{resource}acquire_timeout = 'soon'")),
        (false, format!("{resource}acquire_timeout = 1")),
        (false, format!("{resource}connect_attempts = -1")),
        (false, format!("{resource}connect_attempts = '5'")),
        (false, format!("{resource}required = 'yes'")),
        (false, format!("{resource}password = 'p'\npassword_file = '/dev/null'")),
        (false, format!("{resource}url_file = '/dev/null'")),
        (false, format!("{resource}[resource.tls]\nca = 'x'")),
        (false, format!("{resource}[resource.pool]\nsize = 1")),
    ];
    // Each key with a letter too few is unknown to both.
    for key in keys {
        cases.push((false, format!("{resource}{} = '1s'", &key[1..])));
    }
    for (good, text) in cases {
        assert_eq!(schema.is_valid(&as_json(&text)), good, "the schema, of:\n{text}");
        assert_eq!(Config::from_toml(&text).is_ok(), good, "the parser, of:\n{text}");
    }
}

#[test]
fn every_feature_is_there_or_not_and_says_where_or_why() {
    let text = read("docs/features.md");
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers: Vec<u32> = rows.iter().filter_map(|row| row[0].parse().ok()).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    let without_number = rows.iter().filter(|row| row.len() == 3 && row[0] != "feature").count();
    assert_eq!(without_number, 11, "what none of the others has");
    for row in rows.iter().filter(|row| !row[0].ends_with("feature")) {
        let (says, reason) = (row[row.len() - 2], row[row.len() - 1]);
        assert!(["have", "part", "not"].contains(&says), "{row:?}");
        assert!(reason.len() > 10, "{row:?}");
    }
}

/// The lines that people look for are those that the code logs, whatever stands around them.
#[test]
fn every_line_of_the_log_that_the_guide_explains_is_in_the_code() {
    let mut code = String::new();
    sources(&root(), &mut code);
    let guide = read("docs/guide/failures.md");
    let section = guide.split("## The log, line by line").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    let lines: Vec<_> = lines.collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        assert!(code.contains(&format!("\"{line}\"")), "nothing logs `{line}`");
    }
}

/// Every Markdown file that git knows, or would.
fn documents() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root())
        .output()
        .unwrap();
    let names: Vec<_> = String::from_utf8(git.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The text without its blocks of code, in which a bracket is no link and a `#` no heading.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What a heading is reached by: its words in lower case, joined by hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    let prose = prose(text);
    let headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        let prose = prose(&text);
        let links = prose.split("](").skip(1).map(|rest| rest.split([')', ' ']).next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { root().join(&document) } else { folder.join(file) };
            let there = path.exists()
                && (heading.is_empty()
                    || anchors(&fs::read_to_string(&path).unwrap())
                        .iter()
                        .any(|one| one == heading));
            if !there {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A check that finds nothing anywhere would pass for ever.
#[test]
fn headings_are_found_where_readers_find_them() {
    assert_eq!(anchor(" What it costs, and `why`"), "what-it-costs-and-why");
    assert_eq!(anchors("# One\n```sh\n# no heading\n```\n## Two words\n"), ["one", "two-words"]);
    assert_eq!(prose("[a](b) ```[c](d)``` e"), "[a](b)  e");
}
