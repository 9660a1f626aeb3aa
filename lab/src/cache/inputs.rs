//! What a thing in the cache was made from, and the key that follows from it.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Named inputs, each with a version text or the hash of its contents.
#[derive(Clone, Default)]
pub struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// Adds an input that a short text tells apart.
    pub fn text(&mut self, name: &str, value: &str) {
        self.0
            .push((name.to_owned(), value.trim().replace('\n', " / ")));
    }

    /// Adds a file, by its contents.
    pub fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.bytes(name, &contents);
        Ok(())
    }

    /// Adds what would be a file's contents.
    pub fn bytes(&mut self, name: &str, contents: &[u8]) {
        self.text(name, &hash(contents));
    }

    /// The same inputs, the same key; any other inputs, another one.
    pub fn key(&self) -> String {
        hash(self.to_text().as_bytes())[..12].to_owned()
    }

    /// One line for each input: `name<TAB>value`.
    pub fn to_text(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}\t{value}\n"))
            .collect()
    }

    /// The names of the inputs that are not the same in `earlier`, a text made by `to_text`.
    pub fn changed_since(&self, earlier: &str) -> Vec<&str> {
        let earlier: Vec<_> = earlier
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        let has = |pairs: &[(&str, &str)], name, value| pairs.contains(&(name, value));
        let now: Vec<_> = self
            .0
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let mut names: Vec<_> = now
            .iter()
            .filter(|(n, v)| !has(&earlier, n, v))
            .map(|(n, _)| *n)
            .collect();
        if names.is_empty() && earlier.len() != now.len() {
            names.push("a patch that is gone");
        }
        names
    }
}

fn hash(contents: &[u8]) -> String {
    format!("{:x}", Sha256::digest(contents))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs(pairs: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        pairs
            .iter()
            .for_each(|(name, value)| inputs.text(name, value));
        inputs
    }

    #[test]
    fn the_changed_input_is_named() {
        let old = inputs(&[("rustc", "1.63"), ("fragment", "aa")]);
        let new = inputs(&[("rustc", "1.63"), ("fragment", "bb")]);
        assert_eq!(new.changed_since(&old.to_text()), ["fragment"]);
        assert!(new.changed_since(&new.to_text()).is_empty());
    }

    #[test]
    fn a_file_counts_by_its_contents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fragment");
        let key = |contents: &str| {
            fs::write(&path, contents).unwrap();
            let mut inputs = Inputs::default();
            inputs.file("fragment", &path).unwrap();
            inputs.key()
        };
        let first = key("CONFIG_A=y\n");
        assert_ne!(first, key("CONFIG_A=n\n"));
        assert_eq!(first, key("CONFIG_A=y\n"));
    }

    proptest! {
        #[test]
        fn the_key_changes_with_any_input(a in "[a-z ]{0,8}", b in "[a-z ]{0,8}") {
            let (one, two) = (inputs(&[("x", &a), ("y", &b)]), inputs(&[("x", &b), ("y", &a)]));
            prop_assert_eq!(one.key() == two.key(), a.trim() == b.trim());
        }
    }
}
