//! Who may arrive now: thousands of clients that come back at once are let in a few at a time.
//!
//! A connection takes a place from before its WebSocket handshake until what it was owed on arrival is sent, or a
//! few seconds have passed. Others wait in order for a short time; who would wait longer is told when to come
//! again: in the order in which they came, and so many in a second as can be let in then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a connection waits for a place; less than a client waits for its handshake.
const WAIT_AT_MOST: Duration = Duration::from_secs(2);
/// How long it takes about until one more is let in: so far apart are they told to come again. Who is told so too early
/// is told again.
const EACH: Duration = Duration::from_millis(1);
/// Nobody is told to come again later than this.
const LATEST: Duration = Duration::from_secs(30);

/// The places for connections that arrive.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    /// Until when others were told to come again.
    told: Arc<Mutex<Option<Instant>>>,
}

/// A place; free for another when it is dropped.
#[derive(Debug)]
pub(crate) struct Arrival(#[allow(dead_code)] OwnedSemaphorePermit);

/// There is no place now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ComeAgain {
    /// In how many seconds.
    pub(crate) seconds: u64,
}

/// One that waits; counted until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Arrivals {
    /// So many places, and so many who may wait for one.
    pub(crate) fn new(places: usize, most_waiting: usize) -> Self {
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        Arrivals { places, waiting: Arc::default(), most_waiting, told: Arc::default() }
    }

    /// Takes a place, in the order in which they ask.
    pub(crate) async fn enter(&self) -> Result<Arrival, ComeAgain> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before < self.most_waiting
            && let Ok(Ok(place)) =
                tokio::time::timeout(WAIT_AT_MOST, Arc::clone(&self.places).acquire_owned()).await
        {
            return Ok(Arrival(place));
        }
        Err(self.come_again())
    }

    /// When one more may come again: behind those who were told so before.
    fn come_again(&self) -> ComeAgain {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = told.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)) + EACH;
        let behind = behind.min(LATEST);
        *told = Some(now + behind);
        ComeAgain { seconds: behind.as_secs() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_go_to_who_waits_longest_and_others_are_told_to_come_again() {
        let arrivals = Arrivals::new(2, 3);
        let first = arrivals.enter().await.unwrap();
        let second = arrivals.enter().await.unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..5 {
            let (arrivals, order) = (arrivals.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let place = arrivals.enter().await;
                order.lock().unwrap().push((n, place.is_ok()));
                place
            }));
            tokio::task::yield_now().await;
        }
        // Three wait; the others are told at once.
        assert_eq!(*order.lock().unwrap(), [(3, false), (4, false)]);
        drop(first);
        let again = tasks.remove(0).await.unwrap().unwrap();
        drop(second);
        let next = tasks.remove(0).await.unwrap().unwrap();
        assert_eq!(order.lock().unwrap()[2..], [(0, true), (1, true)]);
        // The last of them waits until it is too long.
        let Err(ComeAgain { seconds }) = tasks.remove(0).await.unwrap() else { panic!("a third place") };
        assert_eq!(seconds, 1);
        drop((again, next));
        assert!(arrivals.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_come_again_comes_when_there_is_room() {
        let arrivals = Arrivals::new(1, 0);
        let mut told = [0; 6];
        for _ in 0..4_000 {
            let Err(ComeAgain { seconds }) = arrivals.enter().await else { panic!("nobody may wait") };
            told[seconds as usize] += 1;
        }
        assert_eq!(told, [0, 999, 1_000, 1_000, 1_000, 1]);
        // Later there are only those who are told then.
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(arrivals.enter().await.err(), Some(ComeAgain { seconds: 1 }));
        for _ in 0..100_000 {
            assert!(arrivals.enter().await.err().unwrap().seconds <= LATEST.as_secs() + 1);
        }
    }
}
