//! What a person calls the device that a session is on, as far as its client tells: `Firefox on
//! Windows`. For showing only; anybody can call themselves anything.

/// Each browser or program, with what tells it: the first that fits, since most claim to be
/// others as well.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// Each system, with what tells it.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// The most characters of a name.
const LONGEST: usize = 60;

/// A short name for a device, from what its client calls itself (`User-Agent`, RFC 9110, 10.1.5).
/// None where it says nothing.
///
/// ```
/// use crm_core::auth::device_name;
///
/// let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// assert_eq!(device_name(agent).as_deref(), Some("Firefox on Windows"));
/// assert_eq!(device_name("curl/8.5.0").as_deref(), Some("curl"));
/// assert_eq!(device_name(" "), None);
/// ```
pub fn device_name(agent: &str) -> Option<String> {
    let known = |all: &[(&str, &'static str)]| {
        all.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let name = match (known(PROGRAMS), known(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(only), None) => only.to_owned(),
        // Programs that are no browsers name themselves first: `curl/8.5.0`.
        (None, system) => {
            let first = agent.split(['/', ' ', '(', ';']).find(|word| !word.is_empty())?;
            let first = if first == "Mozilla" { system.unwrap_or(first) } else { first };
            match system.filter(|system| *system != first) {
                Some(system) => format!("{first} on {system}"),
                None => first.to_owned(),
            }
        }
    };
    let shown = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>();
    Some(shown).filter(|shown| !shown.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_devices_have_the_names_that_people_give_them() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, name) in [
            (
                format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/126.0 Safari/537.36"),
                "Chrome on Windows",
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/126.0 Safari/537 Edg/126"),
                "Edge on Windows",
            ),
            (
                format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14) {webkit} Version/17 Safari/605"
                ),
                "Safari on macOS",
            ),
            (
                format!("Mozilla/5.0 (iPhone; CPU iPhone OS 17 like Mac OS X) {webkit} CriOS/126"),
                "Chrome on iPhone",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko Firefox/128".into(), "Firefox on Linux"),
            ("Mozilla/5.0 (Linux; Android 14; Pixel)".into(), "Android"),
            ("okhttp/4.12".into(), "okhttp"),
            ("PostmanRuntime/7.39 (Macintosh)".into(), "PostmanRuntime on macOS"),
        ] {
            assert_eq!(device_name(&agent).as_deref(), Some(name), "{agent}");
        }
    }

    #[test]
    fn whatever_somebody_calls_themselves_is_short_and_of_one_line() {
        assert_eq!(device_name(""), None);
        assert_eq!(device_name("///"), None);
        assert_eq!(device_name("a\u{7}b"), Some("ab".to_owned()));
        assert_eq!(device_name(&"x".repeat(5_000)).unwrap().len(), LONGEST);
    }
}
