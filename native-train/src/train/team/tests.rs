//! Teams whose processes are threads of one.

use super::{Link, Team};
use crate::config::Config;
use crate::data::augment::Augment;
use crate::data::{self, Loader, Scale, Split};
use crate::network::Parameters;
use crate::train::{Joint, OldTasks};
use candle_core::Device;
use dvn::{Network, Split as Units, TaskSpec, order};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};

/// A place where threads add up what each of them brings.
#[derive(Debug)]
struct Table {
    meet: Barrier,
    seats: Mutex<Vec<Vec<f64>>>,
}

impl Table {
    fn new(size: usize) -> Arc<Table> {
        Arc::new(Table { meet: Barrier::new(size), seats: Mutex::new(vec![Vec::new(); size]) })
    }

    fn sum(&self, rank: usize, values: Vec<f64>) -> Vec<f64> {
        self.seats.lock().unwrap()[rank] = values;
        self.meet.wait();
        let seats = self.seats.lock().unwrap().clone();
        self.meet.wait();
        (0..seats[0].len()).map(|i| seats.iter().map(|s| s[i]).sum()).collect()
    }
}

#[derive(Debug)]
struct Threads {
    rank: usize,
    now: Arc<Table>,
    gradients: Arc<Table>,
}

impl Link for Threads {
    fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        self.now.sum(self.rank, values)
    }

    fn start_sum(&self, gradient: Vec<f32>) -> Receiver<Vec<f32>> {
        let (send, receiver) = channel();
        let values = gradient.into_iter().map(f64::from).collect();
        let sum = self.gradients.sum(self.rank, values);
        send.send(sum.into_iter().map(|v| v as f32).collect()).unwrap();
        receiver
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        let own = if self.rank == 0 { bytes } else { Vec::new() };
        let length = self.now.sum(self.rank, vec![own.len() as f64])[0] as usize;
        let mut values: Vec<f64> = own.into_iter().map(f64::from).collect();
        values.resize(length, 0.0);
        self.now.sum(self.rank, values).into_iter().map(|v| v as u8).collect()
    }
}

/// What each process gives.
fn together<T: Send>(size: usize, work: impl Fn(Arc<Team>) -> T + Sync) -> Vec<T> {
    let (now, gradients) = (Table::new(size), Table::new(size));
    std::thread::scope(|scope| {
        let member = |rank| {
            let link = Threads { rank, now: now.clone(), gradients: gradients.clone() };
            let (team, work) = (Arc::new(Team::new(rank, size, Box::new(link))), &work);
            scope.spawn(move || work(team))
        };
        let members: Vec<_> = (0..size).map(member).collect();
        members.into_iter().map(|m| m.join().unwrap()).collect()
    })
}

const CONFIG: &str = r#"
name = "team"
backbone = "wrn-8-1"
units = 2
[[task]]
data = "sample-cifar10"
[[task]]
data = "sample-cifar100"
[training]
epochs = 1
batch = 24
rate = 0.05
label_smoothing = 0.1
distillation = 0.3
"#;

/// The state after some steps, and the losses of the last one. With `keeps` the first task is only kept, as a network of other
/// weights has it.
fn train(team: Arc<Team>, steps: u64, keeps: bool) -> (Joint, Vec<f64>) {
    let config = Config::parse(CONFIG).unwrap();
    let sets = config.tasks.iter().map(|t| data::load(&t.data, Split::Train, Path::new("unused")).unwrap());
    let sets: Vec<_> = sets.map(Arc::new).collect();
    let orders = order::default_orders(2, 2).unwrap();
    let spec = |(set, order): (&Arc<data::Dataset>, _)| TaskSpec {
        classes: set.classes.len(),
        input_size: set.size,
        order,
    };
    let tasks = sets.iter().zip(orders).map(spec).collect();
    let network = Network::new("wrn-8-1".parse().unwrap(), Units::equal(2).unwrap(), tasks).unwrap();
    let mut joint = Joint::new(&network, 1, Device::Cpu).unwrap().in_team(team.clone());
    let loader = |(task, set): (usize, &Arc<data::Dataset>)| {
        let loader = Loader::new(set.clone(), config.training.batch, 1, task).unwrap();
        loader.with_augment(Augment::none()).with_part(team.rank(), team.size()).unwrap()
    };
    let mut loaders: Vec<_> = sets.iter().enumerate().map(loader).collect();
    if keeps {
        let [first, second] = [0, 1].map(|t: usize| sets[t].statistics());
        joint.keep(OldTasks::new(Parameters::new(&network, 2), &[first], &second));
        loaders.remove(0);
    }
    let mut losses = Vec::new();
    for step in 0..steps {
        let batches: Vec<_> = loaders.iter_mut().map(|l| l.batch_at(step, Scale::Half)).collect();
        let results = joint.step(&batches, 0.05, &config.training).unwrap();
        losses = results.iter().flatten().flatten().map(|r| r.loss).collect();
    }
    (joint, losses)
}

/// Two, and three, processes with their parts of a batch get the gradient that one gets from the whole of it.
#[test]
fn a_team_learns_what_one_process_learns() {
    for (size, keeps) in [(2, false), (3, false), (2, true)] {
        let (alone, losses) = train(Arc::default(), 1, keeps);
        assert_eq!(losses.len(), 4);
        for (member, its_losses) in together(size, |team| train(team, 1, keeps)) {
            for (name, one, several, tolerance) in [
                ("velocity", &alone.velocity, &member.velocity, 5e-6),
                ("weights", &alone.parameters.values, &member.parameters.values, 5e-7),
                ("statistics", &alone.parameters.running, &member.parameters.running, 1e-6),
            ] {
                let far = one.iter().zip(several).map(|(a, b)| (a - b).abs() / (1.0 + a.abs()));
                let far = far.fold(0.0, f32::max);
                assert!(far < tolerance, "{size} processes: {name} differ by {far}");
            }
            for (one, several) in losses.iter().zip(its_losses) {
                assert!((one - several).abs() < 1e-5, "{size} processes: loss {several}, alone {one}");
            }
        }
    }
}

#[test]
fn all_members_of_a_team_keep_the_same_bits() {
    let members = together(3, |team| train(team, 4, false).0);
    for member in &members {
        assert_eq!(member.parameters.values, members[0].parameters.values);
        assert_eq!(member.parameters.running, members[0].parameters.running);
    }
}

#[test]
fn what_the_first_process_says_reaches_all() {
    let heard = together(3, |team| team.broadcast(vec![team.rank() as u8 + 7; team.rank() + 2]));
    assert_eq!(heard, vec![vec![7, 7]; 3]);
    assert_eq!(Team::default().broadcast(vec![1, 2]), [1, 2]);
}

#[test]
fn one_other_bit_in_one_process_is_noticed() {
    let numbers = |rank: usize, bit: u32| {
        let mut numbers: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        numbers[500] = f32::from_bits(numbers[500].to_bits() ^ (bit * u32::from(rank == 1)));
        numbers
    };
    assert_eq!(together(3, |team| team.agrees(&numbers(team.rank(), 0))), [true; 3]);
    assert_eq!(together(3, |team| team.agrees(&numbers(team.rank(), 1))), [false; 3]);
}
