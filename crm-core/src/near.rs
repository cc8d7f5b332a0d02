//! Names that were perhaps meant: for "did you mean" in errors. Nothing here ever decides; what
//! was written is refused either way.

/// The names among `known` that differ from `word` by a slip or two, nearest first, at most three.
/// Both sides are compared as they are: fold them first where case does not matter.
pub(crate) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).collect();
    if word.is_empty() || word.len() > LONGEST {
        return Vec::new();
    }
    let allowed = match word.len() {
        0..=2 => 0,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    };
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let other: Vec<char> = name.chars().take(LONGEST + 1).collect();
            let close = word.len().abs_diff(other.len()) <= allowed;
            let distance = if close { distance(&word, &other) } else { usize::MAX };
            (distance <= allowed && distance < other.len()).then_some((distance, name))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.dedup_by_key(|(_, name)| *name);
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

const LONGEST: usize = 64;

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["status", "createdAt", "companyName"];
        assert_eq!(near("sttaus", known), ["status"]);
        assert_eq!(near("createAt", known), ["createdAt"]);
        assert_eq!(near("compnyNmae", known), ["companyName"]);
        assert!(near("colour", known).is_empty());
        assert!(near("", known).is_empty());
        assert!(near("x", ["y"]).is_empty());
        assert!(near(&"a".repeat(10_000), known).is_empty());
    }
}
