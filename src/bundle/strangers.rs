//! Which lines of a log are the words of pods that are no API servers, as headings within it say.
//!
//! Takes the headings in their order; gives the pod of a line. Whoever writes a log can write what looks like a heading:
//! behind the words of such a pod nothing is an API server's any more, but where a runtime put a header in front of each.

use super::headings::Container;

/// The pods, each with the line of its heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// A pod's name, empty where it has none; absent where the words are the log's own again.
    begins: Vec<(u64, Option<Box<str>>)>,
    /// One of them may have written the headings that follow.
    any: bool,
}

impl Strangers {
    /// The pod whose words this line is, empty where nothing names it.
    pub fn at(&self, line: u64) -> Option<&str> {
        let n = self.begins.partition_point(|(begin, _)| *begin <= line).checked_sub(1)?;
        self.begins.get(n)?.1.as_deref()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    /// Takes the heading of that line.
    pub(super) fn heading(&mut self, line: u64, of: Container) {
        let same = self.begins.last().and_then(|(_, pod)| pod.as_deref()) == of.stranger.as_deref();
        if same || self.any && of.stranger.is_none() || self.begins.len() > MOST {
            return;
        }
        self.any |= of.stranger.is_some() && !of.framed;
        let pod = if self.begins.len() == MOST { Some(Box::default()) } else { of.stranger };
        self.begins.push((line, pod));
    }
}

/// Changes of the pod within one log; beyond that it has no name.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headings: &[(u64, Option<&str>, bool)]) -> Strangers {
        let mut strangers = Strangers::default();
        for &(line, stranger, framed) in headings {
            strangers.heading(line, Container { stranger: stranger.map(Into::into), framed });
        }
        strangers
    }

    #[test]
    fn behind_a_stranger_nothing_is_an_api_servers() {
        let own = (5, None, false);
        for (headings, pods) in [
            (vec![], [None; 4]),
            (vec![own], [None; 4]),
            (vec![(3, Some("a/b"), false)], [None, Some("a/b"), Some("a/b"), Some("a/b")]),
            (vec![(3, Some("a/b"), false), own], [None, Some("a/b"), Some("a/b"), Some("a/b")]),
            (vec![(3, Some("a/b"), true), own], [None, Some("a/b"), None, None]),
            (vec![(3, Some("a/b"), false), (5, Some(""), false)], [None, Some("a/b"), Some(""), Some("")]),
            (
                vec![(3, Some("a/b"), true), (4, Some("c/d"), false), own],
                [None, Some("a/b"), Some("c/d"), Some("c/d")],
            ),
        ] {
            let strangers = of(&headings);
            assert_eq!([2, 3, 5, 9].map(|line| strangers.at(line)), pods, "{headings:?}");
        }
    }

    #[test]
    fn pods_of_one_log_are_bounded_and_none_is_its_own_beyond() {
        let headings: Vec<_> =
            (0..3 * MOST as u64).map(|n| (n, (n % 2 == 0).then_some("a/b"), true)).collect();
        let strangers = of(&headings);
        assert_eq!((strangers.begins.len(), strangers.at(3 * MOST as u64 + 1)), (MOST + 1, Some("")));
    }
}
