//! Spaced repetition: when a drill should come again. The intervals are those of SM-2 (Woźniak, 1990), the grade comes
//! from how it was solved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Drills that a deck remembers.
const MAX_CARDS: usize = 2000;
const DAY: u64 = 86_400_000;
/// The least and the first ease, in thousandths, and the longest interval in days.
const LEAST_EASE: u32 = 1300;
const FIRST_EASE: u32 = 2500;
const LONGEST: u32 = 365;

/// How a drill went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attempt {
    pub solved: bool,
    /// Hints that were asked for.
    pub hints: u32,
    /// Whether the solution was shown.
    pub shown: bool,
    /// How long it took, and how long one who knows takes.
    pub seconds: u32,
    pub usual: u32,
}

impl Attempt {
    /// SM-2's grade: 5 knew it, 3 with effort, below that it was not known.
    pub fn grade(&self) -> u32 {
        if !self.solved {
            return 0;
        }
        if self.shown {
            return 1;
        }
        let slow = self.seconds > self.usual.saturating_mul(2);
        match (self.hints, slow) {
            (0, false) => 5,
            (0, true) | (1, false) => 4,
            (1, true) | (2, _) => 3,
            _ => 2,
        }
    }
}

/// What is known of one drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Card {
    /// Milliseconds since 1970 from which it should come again.
    pub due: u64,
    /// Days until then, when it was set.
    pub interval: u32,
    /// How much longer the next interval is, in thousandths.
    pub ease: u32,
    /// Times it was known in a row.
    pub streak: u32,
}

/// What is known of all drills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deck {
    pub cards: BTreeMap<String, Card>,
}

impl Deck {
    /// Notes how a drill went, and says when it comes again.
    pub fn record(&mut self, id: &str, attempt: &Attempt, now: u64) -> Card {
        let first = Card {
            due: now,
            interval: 0,
            ease: FIRST_EASE,
            streak: 0,
        };
        let mut card = self.cards.get(id).copied().unwrap_or(first);
        let grade = attempt.grade();
        let lost = 5 - grade;
        card.ease = (card.ease.clamp(LEAST_EASE, 5000) + 100)
            .saturating_sub(lost * (80 + lost * 20))
            .max(LEAST_EASE);
        if grade < 3 {
            card.streak = 0;
            card.interval = 0;
        } else {
            card.streak = card.streak.saturating_add(1);
            card.interval = match card.streak {
                1 => 1,
                2 => 6,
                _ => (u64::from(card.interval) * u64::from(card.ease) / 1000).min(LONGEST.into())
                    as u32,
            };
        }
        // What was not known comes again today.
        card.due = match card.interval {
            0 => now.saturating_add(10 * 60_000),
            days => now.saturating_add(u64::from(days) * DAY),
        };
        if self.cards.contains_key(id) || self.cards.len() < MAX_CARDS {
            self.cards.insert(id.to_owned(), card);
        }
        card
    }

    /// What to do next: what is due, longest first, then what was never done, in the given order.
    pub fn next<'a>(&self, ids: &'a [String], now: u64) -> Option<&'a str> {
        let due = |id: &&String| self.cards.get(*id).is_some_and(|card| card.due <= now);
        let oldest = ids
            .iter()
            .filter(due)
            .min_by_key(|id| self.cards.get(*id).map(|card| card.due));
        let new = || ids.iter().find(|id| !self.cards.contains_key(*id));
        let soonest = || {
            ids.iter()
                .min_by_key(|id| self.cards.get(*id).map(|card| card.due))
        };
        oldest.or_else(new).or_else(soonest).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Attempt = Attempt {
        solved: true,
        hints: 0,
        shown: false,
        seconds: 30,
        usual: 60,
    };

    #[test]
    fn intervals_grow_and_fall_back() {
        let mut deck = Deck::default();
        let days: Vec<u32> = (0..4)
            .map(|n| deck.record("a", &GOOD, n).interval)
            .collect();
        assert_eq!(days, [1, 6, 16, 46]);
        let bad = Attempt {
            shown: true,
            ..GOOD
        };
        let card = deck.record("a", &bad, 0);
        assert_eq!((card.interval, card.streak, card.due), (0, 0, 600_000));
        assert!(card.ease < FIRST_EASE + 400);
        for n in 0..50 {
            assert!(deck.record("a", &bad, n).ease >= LEAST_EASE);
        }
        for n in 0..50 {
            assert!(deck.record("b", &GOOD, n).interval <= LONGEST);
        }
    }

    #[test]
    fn a_grade_is_what_it_took() {
        let grade = |hints, seconds| {
            Attempt {
                hints,
                seconds,
                ..GOOD
            }
            .grade()
        };
        assert_eq!(
            [
                grade(0, 30),
                grade(0, 300),
                grade(1, 30),
                grade(1, 300),
                grade(3, 30)
            ],
            [5, 4, 4, 3, 2]
        );
        assert_eq!(
            Attempt {
                solved: false,
                ..GOOD
            }
            .grade(),
            0
        );
    }

    #[test]
    fn what_is_due_comes_first() {
        let ids: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let mut deck = Deck::default();
        assert_eq!(deck.next(&ids, 0), Some("a"));
        deck.record("a", &GOOD, 0);
        assert_eq!(deck.next(&ids, 1), Some("b"));
        assert_eq!(deck.next(&ids, 2 * DAY), Some("a"));
        deck.record("b", &GOOD, 0);
        deck.record("c", &GOOD, 5);
        deck.record("a", &GOOD, 0);
        assert_eq!(
            deck.next(&ids, 10),
            Some("b"),
            "nothing is due: what is soonest"
        );
        assert_eq!(deck.next(&[], 0), None);
    }

    #[test]
    fn hostile_decks_do_no_harm() {
        let json = r#"{"cards":{"a":{"due":18446744073709551615,"interval":4294967295,"ease":4294967295,"streak":4294967295}}}"#;
        let mut deck: Deck = serde_json::from_str(json).unwrap();
        let card = deck.record(
            "a",
            &Attempt {
                seconds: u32::MAX,
                usual: u32::MAX,
                ..GOOD
            },
            u64::MAX,
        );
        assert_eq!((card.interval, card.due), (LONGEST, u64::MAX));
    }
}
