//! Steps of loops that a crafted bundle could make long, counted so that tests can bound them; elsewhere nothing.

/// One step.
#[inline]
pub(super) fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

/// How many steps were taken to do this, by this thread.
#[cfg(test)]
pub(super) fn taken(work: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}
