//! How much happened, as a small picture of text.

/// The bars, from the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns one letter for each count: a dot for nothing, a bar for all else, the highest for the most.
pub fn picture(counts: &[u32]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let last = u32::try_from(BARS.len() - 1).unwrap_or(0);
    let bar = |count: &u32| {
        // With one thing a day at most, the low bars say that it was little.
        let height = (count - 1) * last / most.max(last).saturating_sub(1).max(1);
        BARS[usize::try_from(height.min(last)).unwrap_or(0)]
    };
    counts.iter().map(|count| if *count == 0 { '·' } else { bar(count) }).collect()
}

/// Counts moments by day, the last `days` days up to today; days are numbered.
pub fn per_day(moments: impl IntoIterator<Item = i64>, today: i64, days: usize) -> Vec<u32> {
    let mut counts = vec![0; days];
    for day in moments {
        let ago = usize::try_from(today - day).ok();
        if let Some(at) = ago.and_then(|ago| days.checked_sub(ago + 1)) {
            counts[at] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_dot_and_the_most_is_the_highest_bar() {
        assert_eq!(picture(&[]), "");
        assert_eq!(picture(&[0, 0]), "··");
        assert_eq!(picture(&[1, 0, 1]), "▁·▁");
        assert_eq!(picture(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(picture(&[1, 500, 1000]), "▁▄█");
    }

    #[test]
    fn days_are_counted_back_from_today() {
        assert_eq!(per_day([10, 10, 8, 1, 11], 10, 4), [0, 1, 0, 2]);
        assert_eq!(per_day([], 10, 2), [0, 0]);
    }
}
