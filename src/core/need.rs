//! What a run in the background needs a person for, and when they are told: once, until it is over.

/// What needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Files are held.
    Held,
    /// The remote wants a login.
    Login,
}

impl Need {
    /// Returns its word in the file of what was told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Login => "login",
        }
    }

    /// Returns the need of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Held, Self::Login].into_iter().find(|need| need.word() == word.trim())
    }
}

/// Returns what needs a person after a run: a login comes first, since nothing moves without it.
pub fn needed(held: u32, wants_login: bool) -> Option<Need> {
    if wants_login {
        return Some(Need::Login);
    }
    (held > 0).then_some(Need::Held)
}

/// Returns what a person is told, who was told of `told` already; nothing where that still stands.
pub fn to_tell(told: Option<Need>, need: Option<Need>) -> Option<Need> {
    need.filter(|need| told != Some(*need))
}

/// Returns what is said of a need. No name of a file: others may see the screen.
pub fn words(need: Need, held: u32) -> String {
    match (need, held) {
        (Need::Login, _) => {
            "The remote wants a login. Run `cfgsync sync` in a terminal.".to_owned()
        }
        (Need::Held, 1) => "1 file waits for you. Run `cfgsync resolve` in a terminal.".to_owned(),
        (Need::Held, held) => {
            format!("{held} files wait for you. Run `cfgsync resolve` in a terminal.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_once_until_it_is_over() {
        use Need::{Held, Login};
        for (told, need, said) in [
            (None, None, None),
            (None, Some(Held), Some(Held)),
            (Some(Held), Some(Held), None),
            (Some(Held), None, None),
            (Some(Held), Some(Login), Some(Login)),
            (Some(Login), Some(Held), Some(Held)),
        ] {
            assert_eq!(to_tell(told, need), said, "{told:?} {need:?}");
        }
    }

    #[test]
    fn a_login_comes_before_what_is_held() {
        assert_eq!(needed(0, false), None);
        assert_eq!(needed(2, false), Some(Need::Held));
        assert_eq!(needed(2, true), Some(Need::Login));
        assert_eq!(Need::of("held\n"), Some(Need::Held));
        assert_eq!(Need::of("other"), None);
    }
}
