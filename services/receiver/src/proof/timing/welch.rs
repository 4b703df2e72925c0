//! Welch's t-test over two streams of times, as dudect makes it: over all times, over the times below each of a hundred
//! percentiles, and over squared distances from the mean.

use std::time::Duration;

/// How many percentiles the times are cut at. A machine's interrupts make the slowest times; a leak may show only below.
const CUTS: usize = 100;

/// Mean and variance of a stream (Welford's algorithm).
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Stream {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

/// One test: a stream for each of two classes.
#[derive(Debug, Clone, Copy, Default)]
struct Test([Stream; 2]);

impl Test {
    /// The statistic; 0 while either class has too few times to say anything.
    fn t(&self) -> f64 {
        let [a, b] = &self.0;
        let spread = (a.variance() / a.count + b.variance() / b.count).sqrt();
        if a.count < 1_000.0 || b.count < 1_000.0 || spread == 0.0 { 0.0 } else { (a.mean - b.mean) / spread }
    }
}

/// Every test over the same times.
pub(super) struct Tests {
    all: Test,
    squared: Test,
    below: Vec<(f64, Test)>,
    /// How many times were counted.
    pub(super) samples: usize,
}

impl Tests {
    /// With percentiles of these times, which are not counted themselves: dudect's, ever closer to the whole.
    pub(super) fn after(warm_up: &[Duration]) -> Self {
        let mut times: Vec<_> = warm_up.iter().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        let cut = |n: usize| {
            #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
            let share = 1.0 - 0.5_f64.powf(10.0 * (n + 1) as f64 / CUTS as f64);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a place in a list"
            )]
            let at = (times.len() as f64 * share) as usize;
            (times[at.min(times.len() - 1)], Test::default())
        };
        Self { all: Test::default(), squared: Test::default(), below: (0..CUTS).map(cut).collect(), samples: 0 }
    }

    /// Counts one time of class 0 or 1.
    pub(super) fn push(&mut self, class: usize, time: Duration) {
        let time = time.as_secs_f64();
        self.samples += 1;
        self.all.0[class].push(time);
        // A mean to take distances from has to be there first.
        if self.all.0[class].count > 10_000.0 {
            let distance = time - self.all.0[class].mean;
            self.squared.0[class].push(distance * distance);
        }
        for (cut, test) in &mut self.below {
            if time < *cut {
                test.0[class].push(time);
            }
        }
    }

    /// The t of the test that says most.
    pub(super) fn t(&self) -> f64 {
        let all = [&self.all, &self.squared].into_iter().chain(self.below.iter().map(|(_, test)| test));
        all.map(Test::t).max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_welchs() {
        // Two classes of 2000, means 10 and 12, variances 4000/1999 and 16000/1999 about.
        let mut test = Test::default();
        for n in 0..2_000 {
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            test.0[0].push(10.0 + sign * 2.0_f64.sqrt());
            test.0[1].push(12.0 + sign * 8.0_f64.sqrt());
        }
        let variances = (2.0 * 2000.0 / 1999.0, 8.0 * 2000.0 / 1999.0);
        let wanted = -2.0 / ((variances.0 + variances.1) / 2_000.0_f64).sqrt();
        assert!((test.t() - wanted).abs() < 1e-9, "{} {wanted}", test.t());
    }

    #[test]
    fn a_difference_below_a_percentile_is_found() {
        // A slow tenth hides one nanosecond of the rest from the test over all.
        let time = |n: u64, class: u64| {
            Duration::from_nanos(if n.is_multiple_of(10) { n % 7 * 100_000 } else { 100 + class + n % 3 })
        };
        let times = |class| (0..50_000).map(move |n| time(n, class));
        let mut tests = Tests::after(&times(0).collect::<Vec<_>>());
        for (class, of_class) in [times(0), times(1)].into_iter().enumerate() {
            of_class.for_each(|time| tests.push(class, time));
        }
        assert!(tests.all.t().abs() < 4.5 && tests.t().abs() > 10.0, "{} {}", tests.all.t(), tests.t());
        assert_eq!(tests.samples, 100_000);
    }
}
