//! Configurations and what is wrong with them.

use super::*;

const GOOD: &str = r#"
name = "test"
backbone = "wrn-14-2"
units = 4
[[task]]
data = "cifar10"
[[task]]
data = "cifar100"
order = [4, 3, 2, 1]
[training]
epochs = 2
rate = 0.1
"#;

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    for (from, to, expected) in [
        ("epochs = 2", "epochs = 2\nlabel_smothing = 0.1", "did you mean `label_smoothing`?"),
        ("units = 4", "units = 4\nbackbones = 1", "did you mean `backbone`?"),
        ("data = \"cifar10\"", "data = \"cifar10\"\norders = [1]", "did you mean `order`?"),
    ] {
        let error = Config::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("line"), "{error}");
    }
}

#[test]
fn a_task_learns_all_of_its_levels_or_those_it_names() {
    assert_eq!(Config::parse(GOOD).unwrap().learned(2).unwrap(), [[1, 2], [1, 2]]);
    let with = |levels: &str| {
        let text = GOOD.replace("order = [4, 3, 2, 1]", &format!("order = [4, 3, 2, 1]\nlevels = {levels}"));
        Config::parse(&text).unwrap().network_for(Vec::new(), [(10, 32), (100, 32)])
    };
    assert!(with("[3, 1]").is_ok());
    for levels in ["[]", "[0]", "[5]", "[2, 2]"] {
        let error = with(levels).unwrap_err().to_string();
        assert!(error.contains(&format!("task 2: levels {levels}: expected numbers from 1 to 4")), "{error}");
    }
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    assert!(Config::parse(GOOD).is_ok());
    for (from, to, key) in [
        ("epochs = 2", "epochs = 0", "epochs"),
        ("epochs = 2", "epochs = nan", "epochs"),
        ("rate = 0.1", "rate = -1", "rate"),
        ("rate = 0.1", "rate = 0.1\nbatch = 1", "batch"),
        ("rate = 0.1", "rate = 0.1\nhalf_size = 1.5", "half_size"),
        ("rate = 0.1", "rate = 0.1\nmomentum = 1.0", "momentum"),
        ("rate = 0.1", "rate = 0.1\naverage = 1.0", "average"),
        ("rate = 0.1", "rate = 0.1\nretention = -1", "retention"),
    ] {
        let error = Config::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn schedules_rise_and_fall() {
    let mut t = Config::parse(GOOD).unwrap().training;
    assert!((t.rate_at(150, 1000) - 0.1).abs() < 1e-6);
    assert!((t.rate_at(75, 1000) - 0.05).abs() < 1e-6);
    assert!((t.rate_at(575, 1000) - 0.05).abs() < 1e-6);
    assert_eq!(t.rate_at(1000, 1000), 0.0);
    (t.schedule, t.milestones) = (Schedule::Steps, vec![0.5, 0.75]);
    for (step, rate) in [(0, 0.1), (499, 0.1), (500, 0.01), (900, 0.001)] {
        assert!((t.rate_at(step, 1000) - rate).abs() < 1e-7);
    }
}

#[test]
fn the_shipped_configurations_parse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        Config::read(&entry.unwrap().path()).unwrap();
        found += 1;
    }
    assert!(found >= 3);
}
