//! Changing the keys of tokens in the file that holds them.
//!
//! Servers read the file again by themselves, so a new key is written with the time from which it
//! signs: late enough that all of them, and whoever keeps their public keys, know it by then.
//! What signed before is accepted until nothing that it signed holds any more. No token is refused
//! in between, and nobody has to start anything anew.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use super::written::{keys_in, with_key, without_keys};
use super::{Config, ConfigError, DEFAULT_FILE, Overrides, Secret, WrittenKey};
use crate::tokens::{KeyInfo, KeyState, Keys, TokenError, generate_key, key_id};

/// How long a key stays in the file after its last token: requests that were sent under a key
/// (`Idempotency-Key`) are known by it for as long.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// The file that holds the keys, and these.
pub struct KeyRing {
    path: PathBuf,
    /// All of the file.
    text: String,
    /// Whether it holds nothing but keys, and is not the configuration.
    apart: bool,
    config: Config,
    keys: Keys,
}

/// Leaves out what is in the file.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("path", &self.path).finish_non_exhaustive()
    }
}

fn fault(error: TokenError) -> ConfigError {
    ConfigError::new(error.to_string())
}

impl KeyRing {
    /// Of the configuration that a server would have: in `tokens.key_file`, else in the
    /// configuration file itself.
    ///
    /// # Errors
    /// Where there is no such file, it names no key, or the key comes from elsewhere.
    pub fn open(config_file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        if overrides.token_key.is_some() {
            let message = "the key is in CRM_TOKEN_KEY and not in a file: change it where it is, or \
                           name a file in CRM_TOKEN_KEY_FILE";
            return Err(ConfigError::new(message));
        }
        let config = Config::load(config_file, overrides)?;
        let keys = Keys::new(&config.tokens.keys()?, &config.tokens).map_err(fault)?;
        let (path, apart) = match &config.tokens.key_file {
            Some(file) => (file.clone(), true),
            None => (config_file.unwrap_or(Path::new(DEFAULT_FILE)).to_owned(), false),
        };
        // Where it is a link, what it leads to is changed.
        let path = path
            .canonicalize()
            .map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))?;
        let text = super::read(&path)?;
        Ok(Self { path, text, apart, config, keys })
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What each is called, and does.
    pub fn list(&self, now: DateTime<Utc>) -> Vec<KeyInfo> {
        self.keys.list(now)
    }

    /// Adds a new key, of the algorithm that the configuration names, which signs from then on;
    /// and removes those of which nothing has held for a day.
    ///
    /// # Errors
    /// Where another one is still to sign, none can be made, or the file not be written.
    pub fn rotate(
        &mut self,
        now: DateTime<Utc>,
        from: DateTime<Utc>,
    ) -> Result<String, ConfigError> {
        let listed = self.keys.list(now);
        let waits = listed.iter().find(|key| matches!(key.state, KeyState::SignsFrom(_)));
        if let Some(KeyInfo { id, state: KeyState::SignsFrom(when), .. }) = waits {
            let message = format!("{id} is to sign from {when} already: remove it, or wait");
            return Err(ConfigError::new(message));
        }
        let is_over = |key: &&KeyInfo| matches!(key.state, KeyState::Over(end) if end.checked_add_signed(KEPT).is_some_and(|end| end <= now));
        let over: Vec<&str> = listed.iter().filter(is_over).map(|key| key.id.as_str()).collect();
        let pem = generate_key(self.config.tokens.algorithm).map_err(fault)?;
        let id = key_id(&pem).map_err(fault)?;
        let text = self.key_text();
        let text = without_keys(&text, &places(&text, &over)?);
        self.write(&with_key(&text, &WrittenKey { pem, signs_from: Some(from) }))?;
        Ok(id)
    }

    /// Removes a key that does not sign: what it has signed is refused from then on.
    ///
    /// # Errors
    /// Where there is no such key, it signs, or the file cannot be written.
    pub fn remove(&mut self, now: DateTime<Utc>, id: &str) -> Result<(), ConfigError> {
        let listed = self.keys.list(now);
        let key = listed.iter().find(|key| key.id == id).ok_or_else(|| self.has_no(id))?;
        if key.state == KeyState::Signs {
            let message = format!("{id} signs: let another one sign first (`keys rotate`)");
            return Err(ConfigError::new(message));
        }
        let text = self.key_text();
        let gone = places(&text, &[id])?;
        if gone.is_empty() {
            return Err(ConfigError::new(format!(
                "{id} is among tokens.retired_keys: remove it there"
            )));
        }
        self.write(&without_keys(&text, &gone))
    }

    fn has_no(&self, id: &str) -> ConfigError {
        ConfigError::new(format!("there is no key {id} in {}", self.path.display()))
    }

    /// The keys as they are written.
    fn key_text(&self) -> String {
        match (self.apart, &self.config.tokens.key) {
            (false, Some(key)) => key.reveal().to_owned(),
            _ => self.text.clone(),
        }
    }

    /// Writes the file anew with these keys in place of those that it holds; nothing else in it
    /// changes. The file is the old one or the new one, whatever happens meanwhile.
    fn write(&mut self, keys: &str) -> Result<(), ConfigError> {
        let shown = self.path.display().to_string();
        let by_hand = |why: &str| ConfigError::new(format!("{shown}: {why}: change it by hand"));
        let mut config = self.config.clone();
        let text = if self.apart {
            keys.to_owned()
        } else {
            let before = self.key_text();
            let before = before.trim();
            if self.text.matches(before).count() != 1 {
                return Err(by_hand("the key does not stand there as it is"));
            }
            let text = self.text.replacen(before, keys.trim(), 1);
            // What is written must be what is read.
            let read = Config::parse(&text)?.tokens.key;
            if read.as_ref().map(|read| read.reveal().trim()) != Some(keys.trim()) {
                return Err(by_hand("it cannot be changed by itself"));
            }
            config.tokens.key = Some(Secret::new(keys));
            text
        };
        let read = Keys::new(&keys_in(keys)?, &config.tokens).map_err(fault)?;
        replace(&self.path, &text)
            .map_err(|error| ConfigError::new(format!("{shown}: {error}")))?;
        (self.text, self.config, self.keys) = (text, config, read);
        Ok(())
    }
}

/// Where keys stand in a text, by what they are called.
fn places(text: &str, ids: &[&str]) -> Result<Vec<usize>, ConfigError> {
    let mut places = Vec::new();
    for (place, key) in keys_in(text)?.iter().enumerate() {
        if ids.contains(&key_id(&key.pem).map_err(fault)?.as_str()) {
            places.push(place);
        }
    }
    Ok(places)
}

/// Puts a file in place of itself, whose it was and as readable as it was.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let before = std::fs::metadata(path)?;
    // Readable by its owner alone until it is what it was.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let made = file.as_file().metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::chown(file.path(), Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.as_file().set_permissions(before.permissions())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Algorithm;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("crm-server.toml");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn open(path: &Path) -> Result<KeyRing, ConfigError> {
        KeyRing::open(Some(path), Overrides::default())
    }

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-03-{time}:00Z").parse().unwrap()
    }

    fn listed(path: &Path, time: &str) -> Vec<(String, KeyState)> {
        let listed = open(path).unwrap().list(at(time)).into_iter();
        listed.map(|key| (key.id, key.state)).collect()
    }

    #[test]
    fn keys_come_sign_and_go_and_nothing_else_in_the_file_changes() {
        use KeyState::{AcceptedUntil, Over, Signs, SignsFrom};

        for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
            let before = crate::config::fresh(algorithm).unwrap();
            let (_directory, path) = written(&before);
            let old = listed(&path, "01T12:00").remove(0).0;
            let from = at("01T12:10");
            let new = open(&path).unwrap().rotate(at("01T12:00"), from).unwrap();
            let states = [(old.clone(), Signs), (new.clone(), SignsFrom(from))];
            assert_eq!(listed(&path, "01T12:00"), states);
            // Not a third one before the second signs.
            assert!(open(&path).unwrap().rotate(at("01T12:05"), at("01T12:20")).is_err());
            let mut ring = open(&path).unwrap();
            assert!(ring.remove(at("01T12:05"), &old).is_err(), "it signs");
            assert!(ring.remove(at("01T12:05"), "nobody's").is_err());
            let end = at("01T12:26");
            let states = [(old.clone(), AcceptedUntil(end)), (new.clone(), Signs)];
            assert_eq!(listed(&path, "01T12:10"), states);
            // A day after its last token the old one is gone with the next change.
            assert_eq!(listed(&path, "02T12:00")[0].1, Over(end));
            let next = open(&path).unwrap().rotate(at("02T12:26"), at("02T12:26")).unwrap();
            let states = [(new.clone(), AcceptedUntil(at("02T12:42"))), (next.clone(), Signs)];
            assert_eq!(listed(&path, "02T12:26"), states);
            open(&path).unwrap().remove(at("02T12:27"), &new).unwrap();
            assert_eq!(listed(&path, "02T12:27"), [(next, Signs)]);
            let after = std::fs::read_to_string(&path).unwrap();
            let key = |text: &str| {
                Config::parse(text).unwrap().tokens.key.unwrap().reveal().trim().to_owned()
            };
            assert_eq!(before.replace(&key(&before), &key(&after)), after);
        }
    }

    #[test]
    fn a_key_in_a_file_of_its_own_is_changed_there_and_stays_as_readable_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let pem = directory.path().join("key.pem");
        std::fs::write(&pem, generate_key(Algorithm::Rs256).unwrap().reveal()).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
            std::fs::set_permissions(&pem, mode).unwrap();
        }
        let path = directory.path().join("crm-server.toml");
        let shown = pem.display().to_string();
        let text = format!("[tokens]\nalgorithm = \"EdDSA\"\nkey_file = {shown:?}\n");
        std::fs::write(&path, &text).unwrap();
        // Of the other algorithm than the one before.
        let new = open(&path).unwrap().rotate(at("01T12:00"), at("01T12:00")).unwrap();
        let listed = open(&path).unwrap().list(at("01T12:00"));
        assert_eq!((&listed[1].id, listed[1].state), (&new, KeyState::Signs));
        let algorithms: Vec<Algorithm> = listed.iter().map(|key| key.algorithm).collect();
        assert_eq!(algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        #[cfg(unix)]
        {
            let mode = std::fs::metadata(&pem).unwrap().permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o400);
        }
    }

    #[test]
    fn what_cannot_be_changed_safely_is_left_as_it_is() {
        let key = generate_key(Algorithm::EdDsa).unwrap();
        let escaped = key.reveal().replace('\n', "\\n");
        let text = format!("[tokens]\nalgorithm = \"EdDSA\"\nkey = \"{escaped}\"\n");
        let (_directory, path) = written(&text);
        let refused = open(&path).unwrap().rotate(at("01T12:00"), at("01T12:00")).unwrap_err();
        assert!(refused.to_string().contains("by hand"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let (_directory, path) = written("[tokens]\nalgorithm = \"EdDSA\"\n");
        assert!(open(&path).is_err());
        let elsewhere = Overrides { token_key: Some(key), ..Overrides::default() };
        assert!(KeyRing::open(Some(&path), elsewhere).is_err());
    }
}
