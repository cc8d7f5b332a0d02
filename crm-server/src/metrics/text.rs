//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::Histogram;

/// What a scrape is answered with.
#[derive(Debug, Default)]
pub(super) struct Text(String);

// Writing into a string cannot fail.
impl Text {
    /// Begins a family: its name, `counter`, `gauge` or `histogram`, and what it tells.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the family begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one value.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The values of a histogram of the family begun last.
    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], of: &Histogram) {
        let mut total = 0;
        for (end, below) in of.cumulative() {
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(end));
            let _ = writeln!(self.0, " {below}");
            total = below;
        }
        let _ = write!(self.0, "{name}_sum");
        self.labels(labels, None);
        let _ = write!(self.0, " {}\n{name}_count", of.seconds());
        self.labels(labels, None);
        let _ = writeln!(self.0, " {total}");
    }

    fn labels(&mut self, labels: &[(&str, &str)], end: Option<&str>) {
        let all = labels.iter().copied().chain(end.map(|end| ("le", end)));
        for (i, (name, value)) in all.enumerate() {
            self.0.push(if i == 0 { '{' } else { ',' });
            self.0.push_str(name);
            self.0.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() || end.is_some() {
            self.0.push('}');
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_label_holds_cannot_break_out_of_it() {
        let mut text = Text::default();
        text.single("up", "gauge", "Whether.", 1);
        text.sample("odd", &[("a", "x\"} 1\n\\"), ("b", "y")], 2.5);
        assert_eq!(
            text.finish(),
            "# HELP up Whether.\n# TYPE up gauge\nup 1\nodd{a=\"x\\\"} 1\\n\\\\\",b=\"y\"} 2.5\n"
        );
    }
}
