//! lkm_test: everything in `lkm` that calls back, at once.

use tests::Node;

use crate::calls::{open, opens};
use crate::life::Subject;
use crate::trial::Trials;

const NODE: &str = "/dev/lkm_test";

#[test]
fn lkm_test() {
    let lkm_test = Subject {
        name: "lkm_test",
        parameters: &["case=everything", "small=9"],
        refused: Some(&["case=none"]),
        node: Some(NODE),
        works: |module| {
            assert_eq!(module.parameter("small"), "9");
            assert_eq!(open(NODE).write(b"four"), Ok(4));
        },
    };
    let mut trials = Trials::of(lkm_test.name);
    lkm_test.comes_and_goes(&mut trials);
    let module = lkm_test.load();
    opens(&mut trials, &module, NODE, |node| {
        let written = node.map(|node: &Node| node.write(b"four"));
        assert!(matches!(written, None | Some(Ok(4))));
    });
}
