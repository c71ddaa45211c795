//! Who makes a request: Linux checks modes and lists for us, but not what follows from who changes something.

use fuser::Request;

/// May keep setgid where it is not of the owning group. See `capabilities(7)`.
pub(crate) const CAP_FSETID: u32 = 4;
/// May see `trusted.` attributes.
pub(crate) const CAP_SYS_ADMIN: u32 = 21;

/// The thread that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    uid: u32,
    gid: u32,
    pid: u32,
}

impl Caller {
    /// The one who makes a request.
    pub(crate) fn of(request: &Request) -> Self {
        Self { uid: request.uid(), gid: request.gid(), pid: request.pid() }
    }

    /// Whether it is of a group. Of groups that it has besides its first one, `/proc` tells.
    pub(crate) fn is_in_group(self, gid: u32) -> bool {
        let listed = |groups: String| groups.split_whitespace().any(|word| word.parse() == Ok(gid));
        self.gid == gid || self.status("Groups:").is_some_and(listed)
    }

    /// Whether it has a capability: where `/proc` does not tell, the superuser has all of them.
    pub(crate) fn is_capable(self, capability: u32) -> bool {
        let effective = self.status("CapEff:").and_then(|word| u64::from_str_radix(&word, 16).ok());
        effective.map_or(self.uid == 0, |bits| bits >> capability & 1 != 0)
    }

    /// What `/proc` says behind `field`.
    fn status(self, field: &str) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(field))?;
        Some(value.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_and_one_that_cannot_be_is_known_by_its_ids() {
        let here = Caller { uid: u32::MAX, gid: 7, pid: std::process::id() };
        assert!(here.is_in_group(7) && here.status("Groups:").is_some() && here.status("CapEff:").is_some());
        let [root, other] = [0, 1].map(|uid| Caller { uid, gid: 7, pid: 0 });
        assert!(root.is_capable(CAP_FSETID) && !other.is_capable(CAP_SYS_ADMIN));
        assert!(!root.is_in_group(8));
    }
}
