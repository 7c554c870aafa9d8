//! What a study's file (TOML) says.

use crate::config::{self, Config, ConfigError, Keep};
use crate::train::features;
use dvn::Network;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A scenario and the methods that are compared in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// For people.
    pub title: String,
    /// What the report says of the study, for example where it differs from the paper.
    #[serde(default)]
    pub note: String,
    /// What the configurations of all runs share, but name and seed.
    pub config: toml::Table,
    /// The methods; the others are compared with the first.
    #[serde(rename = "method")]
    pub methods: Vec<Method>,
}

/// A method: one run or more, each with its model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// For people.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// The paper's test accuracies in percent, by level, then task; `nan` where it has none.
    #[serde(default)]
    pub paper: Vec<Vec<f64>>,
    /// Its runs, in order.
    #[serde(rename = "run")]
    pub parts: Vec<Part>,
}

/// One run of a method.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its folder's name.
    pub name: String,
    /// The earlier run with whose weights it starts.
    pub from: Option<String>,
    /// The earlier run whose model learns this one's task and keeps its own.
    pub add_to: Option<String>,
    /// What its configuration has in place of the shared one's; of `training`, key by key.
    #[serde(default)]
    pub config: toml::Table,
}

/// What a run's model will be.
struct Known {
    /// Its tasks' data sets.
    tasks: Vec<String>,
    network: Network,
    /// The levels that each of them has learned.
    learned: Vec<Vec<usize>>,
}

/// A study that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The file cannot be read, or is no TOML that makes a study.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Names that do not fit together, or a table of the paper's figures of the wrong size.
    #[error("method \"{method}\": {reason}")]
    Method {
        /// Its name.
        method: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A run's configuration cannot be used.
    #[error("method \"{method}\", run \"{run}\": {error}")]
    Config {
        /// The method's name.
        method: String,
        /// The run's.
        run: String,
        /// Why.
        error: ConfigError,
    },
}

impl Study {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read or used.
    pub fn read(path: &Path) -> Result<Study, StudyError> {
        let text = config::read_text(path)?;
        Study::parse(&text).map_err(|e| match e {
            StudyError::File(error) => error.in_file(path).into(),
            other => other,
        })
    }

    /// Parses and checks a study.
    ///
    /// # Errors
    /// As [`Study::read`].
    pub fn parse(text: &str) -> Result<Study, StudyError> {
        let study: Study = config::parse_toml(text)?;
        let mut folders = HashSet::new();
        if study.methods.is_empty() {
            return Err(ConfigError::Toml("a study needs a method".into()).into());
        }
        for method in &study.methods {
            method.check()?;
            if !folders.insert(method.folder()) {
                return Err(method.error(format!("its folder, {}, is another method's too", method.folder())));
            }
            study.check(method)?;
        }
        Ok(study)
    }

    /// The text of a run's configuration.
    ///
    /// # Errors
    /// None for a study that was read.
    pub fn configuration(&self, method: &Method, part: &Part, seed: u64) -> Result<String, StudyError> {
        let mut all = self.config.clone();
        for (key, value) in &part.config {
            match (all.get_mut(key), value) {
                (Some(toml::Value::Table(shared)), toml::Value::Table(own)) => {
                    shared.extend(own.iter().map(|(k, v)| (k.clone(), v.clone())));
                }
                _ => {
                    all.insert(key.clone(), value.clone());
                }
            }
        }
        all.insert("name".into(), format!("{}-{}", method.folder(), part.name).into());
        all.insert("seed".into(), i64::try_from(seed).unwrap_or(i64::MAX).into());
        toml::to_string(&all).map_err(|e| ConfigError::Toml(e.to_string()).into())
    }

    /// Makes sure that a method's runs can be trained one after the other, and that its models make rows of one table.
    fn check(&self, method: &Method) -> Result<(), StudyError> {
        let mut known: HashMap<&str, Known> = HashMap::new();
        for part in &method.parts {
            let start = part.from.as_deref().or(part.add_to.as_deref()).and_then(|run| known.get(run));
            known.insert(&part.name, self.model(method, part, start)?);
        }
        let (mut tasks, mut levels) = (HashSet::new(), HashSet::new());
        for part in method.last() {
            let model = &known[&part.name[..]];
            levels.insert(model.network.levels());
            for task in &model.tasks {
                if !tasks.insert(task) {
                    return Err(method.error(format!("two of its models know {task}")));
                }
            }
        }
        if levels.len() > 1 {
            return Err(method.error("its models have different numbers of units".into()));
        }
        let wide = method.paper.iter().all(|row| row.len() == tasks.len());
        let long = method.paper.is_empty() || levels.contains(&method.paper.len());
        if !(wide && long) {
            let reason =
                format!("its figures of the paper need a row for each level, each of {} tasks", tasks.len());
            return Err(method.error(reason));
        }
        Ok(())
    }

    /// What a run makes of the model of the run that it goes on from, if any. What data sets hold is not known yet: where they do
    /// not fit, the run says so.
    fn model(&self, method: &Method, part: &Part, start: Option<&Known>) -> Result<Known, StudyError> {
        let config = self.parsed(method, part)?;
        let run = &part.name;
        let kept = start.filter(|_| part.add_to.is_some());
        if kept.is_some() && config.tasks.len() != 1 {
            let found = config.tasks.len();
            return Err(method.error(format!("run \"{run}\" adds {found} tasks to a model: expected one")));
        }
        let shared = |network: &Network| (network.backbone().to_string(), network.split().clone());
        if let Some(start) = start
            && config.split().is_ok_and(|split| (config.backbone.clone(), split) != shared(&start.network))
        {
            let reason =
                format!("run \"{run}\" has another backbone or other units than the one it goes on from");
            return Err(method.error(reason));
        }
        let specs = kept.map_or(Vec::new(), |kept| kept.network.tasks().to_vec());
        let shapes = config.tasks.iter().map(|_| (2, 32));
        let network =
            config.network_for(specs, shapes).map_err(|error| self.config_error(method, part, error))?;
        let (mut tasks, mut learned) =
            kept.map_or_else(Default::default, |k| (k.tasks.clone(), k.learned.clone()));
        learned.extend(
            config.learned(network.levels()).map_err(|error| self.config_error(method, part, error))?,
        );
        if let Some(kept) = kept
            && config.training.keep == Keep::Features
        {
            let (names, new) =
                (kept.tasks.iter().map(|name| &name[..]).collect::<Vec<_>>(), kept.tasks.len());
            features::source(&network, new, &names, &learned)
                .map_err(|reason| method.error(format!("run \"{run}\": {reason}")))?;
        }
        tasks.extend(config.tasks.into_iter().map(|t| t.data));
        Ok(Known { tasks, network, learned })
    }

    fn config_error(&self, method: &Method, part: &Part, error: ConfigError) -> StudyError {
        StudyError::Config { method: method.name.clone(), run: part.name.clone(), error }
    }

    fn parsed(&self, method: &Method, part: &Part) -> Result<Config, StudyError> {
        let text = self.configuration(method, part, 1)?;
        Config::parse(&text).map_err(|error| self.config_error(method, part, error))
    }
}

impl Method {
    /// The name of its folder.
    pub fn folder(&self) -> String {
        let plain = self.name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), " ");
        plain.split_whitespace().collect::<Vec<_>>().join("-")
    }

    /// The runs that make its models.
    pub fn last(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| self.is_last(part))
    }

    /// Whether no other run goes on from this one.
    pub fn is_last(&self, part: &Part) -> bool {
        let goes_on = |other: &Part| other.from.iter().chain(&other.add_to).any(|name| *name == part.name);
        !self.parts.iter().any(goes_on)
    }

    fn error(&self, reason: String) -> StudyError {
        StudyError::Method { method: self.name.clone(), reason }
    }

    fn check(&self) -> Result<(), StudyError> {
        if self.folder().is_empty() {
            return Err(self.error("its name needs a letter or a digit".into()));
        }
        if self.parts.is_empty() {
            return Err(self.error("it needs a run".into()));
        }
        let mut earlier = HashSet::new();
        for part in &self.parts {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if part.name.is_empty() || !part.name.chars().all(plain) {
                let reason = format!("run \"{}\": expected a name of letters, digits, - and _", part.name);
                return Err(self.error(reason));
            }
            for other in part.from.iter().chain(&part.add_to) {
                if !earlier.contains(other) {
                    let reason =
                        format!("run \"{}\" goes on from \"{other}\", which is no earlier run", part.name);
                    return Err(self.error(reason));
                }
            }
            if part.from.is_some() && part.add_to.is_some() {
                let reason = format!("run \"{}\" has both from and add_to: give one", part.name);
                return Err(self.error(reason));
            }
            if !earlier.insert(part.name.clone()) {
                return Err(self.error(format!("two runs are called \"{}\"", part.name)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
title = "test"
[config]
backbone = "wrn-8-1"
units = 2
[config.training]
epochs = 2
rate = 0.1
[[method]]
name = "DVN, twice"
source = "eq. 6"
paper = [[1, 2], [3, 4]]
[[method.run]]
name = "first"
config = { task = [{ data = "cifar10" }] }
[[method.run]]
name = "second"
add_to = "first"
config = { task = [{ data = "cifar100" }], training = { rate = 0.01 } }
"#;

    #[test]
    fn a_runs_configuration_is_the_shared_one_with_its_own_keys() {
        let study = Study::parse(GOOD).unwrap();
        let method = &study.methods[0];
        assert_eq!(method.folder(), "dvn-twice");
        let of = |part: usize, seed| {
            Config::parse(&study.configuration(method, &method.parts[part], seed).unwrap()).unwrap()
        };
        let (first, second) = (of(0, 1), of(1, 7));
        assert_eq!((&first.name[..], first.seed, first.training.rate), ("dvn-twice-first", 1, 0.1));
        assert_eq!((&second.name[..], second.seed, second.training.rate), ("dvn-twice-second", 7, 0.01));
        assert_eq!((second.training.epochs, &second.tasks[0].data[..]), (2.0, "cifar100"));
        let last: Vec<&str> = method.last().map(|part| &part.name[..]).collect();
        assert_eq!(last, ["second"]);
    }

    #[test]
    fn what_cannot_be_run_or_compared_is_refused() {
        let again = "[[method]]\nname = \"dvn - TWICE\"\nsource = \"\"\n[[method.run]]\nname = \"a\"\n\
                     config = { task = [{ data = \"cifar10\" }] }\n";
        for (from, to, expected) in [
            ("add_to = \"first\"", "add_to = \"last\"", "which is no earlier run"),
            ("add_to = \"first\"", "add_to = \"first\"\nfrom = \"first\"", "both from and add_to"),
            ("name = \"second\"", "name = \"first\"", "two runs are called \"first\""),
            ("name = \"second\"", "name = \"../second\"", "expected a name of letters"),
            ("\"DVN, twice\"", "\"?\"", "needs a letter or a digit"),
            ("data = \"cifar100\"", "data = \"cifar10\"", "two of its models know cifar10"),
            ("[[1, 2], [3, 4]]", "[[1, 2]]", "a row for each level"),
            ("[[1, 2], [3, 4]]", "[[1, 2], [3]]", "each of 2 tasks"),
            ("rate = 0.01", "rate = -1", "run \"second\": training.rate is -1"),
            ("rate = 0.01", "rates = 1", "did you mean `rate`?"),
            ("units = 2", "units = 0", "unit"),
            ("wrn-8-1", "wrn-9-1", "run \"first\": "),
            ("rate = 0.01 }", "rate = 0.01 }, units = 1", "has another backbone or other units"),
            ("[{ data = \"cifar100\" }]", "[{ data = \"a\" }, { data = \"b\" }]", "adds 2 tasks to a model"),
            ("[{ data = \"cifar100\" }]", "[{ data = \"a\", order = [1, 1] }]", "run \"second\": "),
            ("[{ data = \"cifar100\" }]", "[{ data = \"a\", levels = [3] }]", "task 1: levels [3]"),
            (
                "rate = 0.01",
                "keep = \"features\"",
                "run \"second\": keep = \"features\" takes those of an old task",
            ),
            ("rate = 0.01", "keep = \"weight\"", "expected one of `answers`, `weights`, `features`"),
            ("source", "sauce", "sauce"),
            ("title = \"test\"", "", "title"),
            ("[[method]]\n", &format!("{again}[[method]]\n"), "is another method's too"),
        ] {
            let error = Study::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let empty = "title = \"\"\nmethod = []\n[config]";
        assert!(Study::parse(empty).unwrap_err().to_string().contains("needs a method"));
    }

    /// The paper's J1 by one command is the configuration of J1.
    #[test]
    fn the_shipped_studies_can_be_run() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| Study::read(&folder.join("scenarios").join(name)).unwrap();
        for entry in std::fs::read_dir(folder.join("scenarios")).unwrap() {
            read(entry.unwrap().file_name().to_str().unwrap());
        }
        let j1 = read("j1.toml");
        let method = |name: &str| j1.methods.iter().find(|m| m.name == name).unwrap();
        let (dvn, single) = (method("DVN"), method("A network for each task"));
        let text = j1.configuration(dvn, &dvn.parts[0], 1).unwrap();
        let (config, _) = Config::read(&folder.join("configs/j1.toml")).unwrap();
        assert_eq!(Config { name: config.name.clone(), ..Config::parse(&text).unwrap() }, config);
        for (task, paper) in crate::plot::paper::J1.iter().enumerate() {
            let of = |method: &Method| method.paper.iter().map(|row| row[task]).collect::<Vec<_>>();
            assert_eq!(of(dvn), paper.dvn.map(|(_, percent)| percent));
            assert_eq!(of(single), [paper.baseline.1]);
        }
    }
}
