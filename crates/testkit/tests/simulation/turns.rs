//! Which process goes on when: only a request that gives way lets another one in. A wait for a
//! thread does not, for how long that takes is not determined.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures::future::maybe_done;

thread_local! {
    static GAVE_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Another process may go on first.
pub async fn give_way() {
    let mut gave = false;
    let once = poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        GAVE_WAY.set(true);
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    once.await;
}

/// Both to their ends: one goes on when the other gives way or has come to its end.
pub async fn taking_turns<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(maybe_done(a)), pin!(maybe_done(b)));
    let mut turn_of_b = false;
    let both = poll_fn(|cx| {
        loop {
            GAVE_WAY.set(false);
            let polled = if turn_of_b { b.as_mut().poll(cx) } else { a.as_mut().poll(cx) };
            if polled.is_pending() && !GAVE_WAY.get() {
                return Poll::Pending;
            }
            if a.as_mut().output_mut().is_some() && b.as_mut().output_mut().is_some() {
                return Poll::Ready(());
            }
            turn_of_b = !turn_of_b;
        }
    });
    both.await;
    let (a, b) = (a.take_output(), b.take_output());
    (a.expect("it came to its end"), b.expect("it came to its end"))
}

/// Goes on until it gives way or waits; None when there is more to come.
pub async fn one_turn<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    let polled = futures::poll!(future);
    GAVE_WAY.set(false);
    match polled {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
