//! Dates as people type them.

use cfgsync_core::time::UnixTime;
use chrono::{
    DateTime, Datelike, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Weekday,
};

/// Returns the end of the moment or the day that a person means; none for a word that is no date.
/// What was kept last before it is what they want.
pub fn parse(word: &str, now: UnixTime) -> Option<UnixTime> {
    let local = Local.timestamp_millis_opt(i64::try_from(now.0).ok()?).single()?;
    let word = word.trim().to_lowercase();
    let end = days(&word, local.date_naive())
        .and_then(end_of)
        .or_else(|| exact(&word))
        .or_else(|| ago(&word, local))?;
    u64::try_from(end.timestamp_millis()).ok().map(UnixTime)
}

/// A day: `today`, `yesterday`, `tuesday`, `last tuesday`, `2026-11-20`, `20261120`.
fn days(word: &str, today: NaiveDate) -> Option<NaiveDate> {
    match word {
        "today" => return Some(today),
        "yesterday" => return today.checked_sub_days(Days::new(1)),
        _ => {}
    }
    let name = word.strip_prefix("last ").unwrap_or(word);
    let is_name = name.len() >= 3 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    if let Some(day) = name.parse::<Weekday>().ok().filter(|_| is_name) {
        // The last one that is over: a week back, where it is that day today.
        let back = (today.weekday().num_days_from_monday() + 7 - day.num_days_from_monday()) % 7;
        let back = if back == 0 { 7 } else { back };
        return today.checked_sub_days(Days::new(back.into()));
    }
    let format = if word.contains('-') { "%Y-%m-%d" } else { "%Y%m%d" };
    let is_whole = word.len() >= 8;
    NaiveDate::parse_from_str(word, format).ok().filter(|_| is_whole)
}

fn end_of(day: NaiveDate) -> Option<DateTime<Local>> {
    local(day.and_time(NaiveTime::from_hms_milli_opt(23, 59, 59, 999)?))
}

/// A time of this machine's clock, or one with a zone: `2026-11-20 14:30`, `2026-11-20T14:30:00Z`.
fn exact(word: &str) -> Option<DateTime<Local>> {
    let word = word.replacen('t', " ", 1);
    if let Some(utc) = word.strip_suffix('z') {
        let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y%m%d %H%M%S"];
        let time = formats.iter().find_map(|it| NaiveDateTime::parse_from_str(utc, it).ok())?;
        return Some(time.and_utc().with_timezone(&Local) + chrono::Duration::milliseconds(999));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(&word, "%Y-%m-%d %H:%M:%S") {
        return local(time.checked_add_signed(chrono::Duration::milliseconds(999))?);
    }
    let time = NaiveDateTime::parse_from_str(&word, "%Y-%m-%d %H:%M").ok()?;
    local(time.checked_add_signed(chrono::Duration::milliseconds(59_999))?)
}

/// `3 hours ago`, `2 days ago`, `1 week ago`.
fn ago(word: &str, now: DateTime<Local>) -> Option<DateTime<Local>> {
    let mut words = word.strip_suffix(" ago")?.split_whitespace();
    let count: i64 = words.next()?.parse().ok().filter(|count| *count >= 0)?;
    let unit = words.next()?.trim_end_matches('s');
    let seconds = match unit {
        "second" | "sec" => 1,
        "minute" | "min" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    let back = chrono::Duration::try_seconds(count.checked_mul(seconds)?)?;
    now.checked_sub_signed(back).filter(|_| words.next().is_none())
}

/// Where a clock was set back, the later of the two moments counts; a time that a clock which was set
/// ahead never showed is the first one after it, as late in its hour.
fn local(time: NaiveDateTime) -> Option<DateTime<Local>> {
    let later = |hours| time.checked_add_signed(chrono::Duration::hours(hours));
    (0..=24).filter_map(later).find_map(|time| Local.from_local_datetime(&time).latest())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 12:00, a Friday, on this machine's clock.
    fn now() -> UnixTime {
        let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let noon = local(day.and_hms_opt(12, 0, 0).unwrap()).unwrap();
        UnixTime(u64::try_from(noon.timestamp_millis()).unwrap())
    }

    fn shown(word: &str) -> String {
        let end = parse(word, now()).unwrap_or_else(|| panic!("{word} is a date"));
        let end = Local.timestamp_millis_opt(i64::try_from(end.0).unwrap()).unwrap();
        end.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    #[test]
    fn a_day_means_its_end() {
        assert_eq!(shown("today"), "2026-11-20 23:59:59");
        assert_eq!(shown("Yesterday"), "2026-11-19 23:59:59");
        assert_eq!(shown("2026-11-18"), "2026-11-18 23:59:59");
        assert_eq!(shown("20261118"), "2026-11-18 23:59:59");
        assert_eq!(shown("last Tuesday"), "2026-11-17 23:59:59");
        assert_eq!(shown("friday"), "2026-11-13 23:59:59");
    }

    #[test]
    fn a_time_means_itself() {
        assert_eq!(shown("2026-11-18 14:30"), "2026-11-18 14:30:59");
        assert_eq!(shown("2026-11-18T14:30:05"), "2026-11-18 14:30:05");
        assert_eq!(shown("2 hours ago"), "2026-11-20 10:00:00");
        assert_eq!(shown("1 week ago"), "2026-11-13 12:00:00");
        let utc = parse("2026-11-18T14:30:05Z", now());
        assert_eq!(utc, Some(UnixTime(1_795_012_205_999)));
    }

    #[test]
    fn other_words_are_no_dates() {
        for word in
            ["", "12", "s4", "2026", "2026-13-01", "3 blue moons ago", "-1 days ago", "mark"]
        {
            assert_eq!(parse(word, now()), None, "{word}");
        }
    }
}
