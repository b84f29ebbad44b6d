//! Lines `figure: NAME=VALUE NAME=VALUE ...`, wherever they stand in what a suite prints.

use std::collections::BTreeMap;

/// The mark that begins the figures of a line. A test harness may have written on the same line before it.
const MARK: &str = "figure: ";

/// Every value that was printed for a name, in order.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    values: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    /// Takes the figures of a line, if it has any. A value that is no number is no figure (`phase=idle`).
    pub(crate) fn take(&mut self, line: &str) {
        let Some((_, pairs)) = line.split_once(MARK) else { return };
        for (name, value) in pairs.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            if let Ok(value) = value.parse::<f64>() {
                self.values.entry(name.to_owned()).or_default().push(value);
            }
        }
    }

    /// All values of a name; if `name` begins with `*`, of every name that ends with its rest.
    pub(crate) fn of(&self, name: &str) -> Vec<f64> {
        match name.strip_prefix('*') {
            Some(end) => {
                let meant = self.values.iter().filter(|(name, _)| name.ends_with(end));
                meant.flat_map(|(_, values)| values).copied().collect()
            }
            None => self.values.get(name).cloned().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_after_harness_output_and_words_are_skipped() {
        let mut figures = Figures::default();
        figures.take("test a ... figure: kills=7 phase=idle share=0.5");
        figures.take("figure: kills=8 random_kills=150");
        figures.take("kills=9");
        assert_eq!(figures.of("kills"), [7.0, 8.0]);
        assert_eq!(figures.of("*_kills"), [150.0]);
        assert_eq!(figures.of("*kills"), [7.0, 8.0, 150.0]);
        assert!(figures.of("phase").is_empty());
    }
}
