//! Where a link of the repository leads: inside it, or out of it through whatever other links stand
//! on the way.

use std::collections::VecDeque;

use crate::path::RepoPath;

/// Links that are followed on one way; a longer one leads nowhere.
const FARTHEST: usize = 40;

/// Returns true when the link at `path` leads out of the repository. `link_at` returns the target of
/// the link at a place below the repository, and nothing where no link is.
pub fn leads_out(
    path: &RepoPath,
    target: &[u8],
    link_at: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> bool {
    let mut here: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    here.pop();
    if target.starts_with(b"/") {
        return true;
    }
    let mut ahead: VecDeque<Vec<u8>> = parts(target);
    let mut followed = 0;
    while let Some(part) = ahead.pop_front() {
        if part == b".." {
            if here.pop().is_none() {
                return true;
            }
            continue;
        }
        here.push(part);
        let Some(next) = link_at(&here.join(&b'/')) else { continue };
        followed += 1;
        if next.starts_with(b"/") || followed > FARTHEST {
            return true;
        }
        here.pop();
        for part in parts(&next).into_iter().rev() {
            ahead.push_front(part);
        }
    }
    false
}

fn parts(target: &[u8]) -> VecDeque<Vec<u8>> {
    let parts = target.split(|byte| *byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_out(target: &str, links: &[(&str, &str)]) -> bool {
        let path = RepoPath::new("a/b/link").unwrap();
        leads_out(&path, target.as_bytes(), |place| {
            let link = links.iter().find(|(name, _)| name.as_bytes() == place);
            link.map(|(_, target)| target.as_bytes().to_vec())
        })
    }

    #[test]
    fn links_that_leave_are_known() {
        for out in ["/etc", "../../../x", "c/../../../../x"] {
            assert!(is_out(out, &[]), "{out}");
        }
        for inside in ["x", "../x", "../../x", "c/../x", "./x"] {
            assert!(!is_out(inside, &[]), "{inside}");
        }
    }

    #[test]
    fn a_link_on_the_way_is_followed() {
        assert!(!is_out("../up/x", &[("a/up", "..")]), "to the top, and down again");
        assert!(is_out("../up/../x", &[("a/up", "..")]), "the parent of the top");
        assert!(is_out("../up", &[("a/up", "out"), ("a/out", "/etc")]));
        assert!(is_out("../up/x", &[("a/up", "deep"), ("a/deep", "../..")]));
        assert!(!is_out("../up/../../x", &[("a/up", "c/d")]), "deeper than it looks");
    }

    #[test]
    fn a_ring_of_links_leads_nowhere_good() {
        assert!(is_out("../one", &[("a/one", "two"), ("a/two", "one")]));
    }
}
