use super::build::Pickle;
use super::*;
use proptest::prelude::*;

fn example() -> Vec<u8> {
    let labels: Vec<i32> = (0..2500).map(|i| i * 37 % 70_000).collect();
    Pickle::dictionary(|p| {
        p.text("labels").list(&labels);
        p.text("names").texts(&["apple", "aquarium_fish"]);
        p.text("data").array(3, 100, &[7; 300]);
    })
}

#[test]
fn a_dictionary_of_lists_and_an_array_is_read() {
    let bytes = example();
    let value = read(&bytes).unwrap();
    let Some(Value::List(labels)) = value.get("labels") else { panic!("{:?}", value.get("labels")) };
    assert_eq!(labels.len(), 2500);
    assert_eq!((&labels[1], &labels[2499]), (&Value::Int(37), &Value::Int(2499 * 37 % 70_000)));
    assert_eq!(
        value.get("names"),
        Some(&Value::List(vec![Value::Text(b"apple"), Value::Text(b"aquarium_fish")]))
    );
    assert_eq!(value.get("data"), Some(&Value::Array { rows: 3, columns: 100, bytes: &[7; 300] }));
    assert_eq!(value.get("nothing"), None);
}

#[test]
fn a_value_remembered_can_be_used_again() {
    // {'a': 'a'}: the second from the memo.
    let value = read(b"\x80\x02}q\x01U\x01aq\x02h\x02s.").unwrap();
    assert_eq!(value.get("a"), Some(&Value::Text(b"a")));
}

#[test]
fn code_and_other_types_are_refused() {
    for (pickle, expected) in [
        (&b"\x80\x02cos\nsystem\nU\x02ls\x85R."[..], "os.system"),
        (b"\x80\x02cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R.", "something else than an array of bytes"),
        (b"\x80\x04\x95.", "protocol 4"),
        (b"i__main__\n", "operation 0x69"),
        (b"\x80\x02]q\x01h\x01a.", "a second use of memo 1"),
        (b"\x80\x02]]a.", "lists in lists"),
        (b"\x80\x02h\x05.", "no memo 5"),
        (b"\x80\x02}U\x01as.", "without a dictionary"),
        (b"\x80\x02e.", "no mark"),
        (b"\x80\x02.", "missing"),
        (b"\x80\x02T\xff\xff\xff\xffabc", "ends"),
        (b"\x80\x02cnumpy", "does not end"),
    ] {
        let error = read(pickle).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_array_whose_shape_is_not_its_length_is_refused() {
    let bytes = Pickle::dictionary(|p| _ = p.text("data").array(3, 101, &[7; 300]));
    assert!(read(&bytes).unwrap_err().to_string().contains("3 x 101 with 300 bytes"));
}

#[test]
fn deep_nesting_is_refused_before_it_costs_a_stack() {
    let mut bytes = b"\x80\x02)".to_vec();
    bytes.extend(vec![0x85; 1_000_000]);
    bytes.push(b'.');
    assert!(read(&bytes).unwrap_err().to_string().contains("deep"));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = example();
    for length in (0..bytes.len()).step_by(7) {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0usize..4000, with: u8, tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = example();
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = read(&bytes);
        bytes.truncate(at);
        bytes.extend(tail);
        let _ = read(&bytes);
    }
}
