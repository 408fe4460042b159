// A tick of 33 columns, for ours and for the peers, which each make the type with what their client
// derives: `ticks! { #[derive(…)] }`.

/// Codes that have a tick in every round of three seconds.
const CODES: u64 = 4000;

/// 2024-01-02 09:30 in Shanghai, in milliseconds.
const OPENS: i64 = 1_704_159_000_000;

macro_rules! tick {
    ($(#[$more:meta])* $($column:ident)*) => {
        $(#[$more])*
        pub(crate) struct Tick {
            pub(crate) code: String,
            pub(crate) time: i64,
            $(pub(crate) $column: f64,)*
        }

        /// The tick with this number: every code in turn, one round every three seconds.
        pub(crate) fn tick(number: u64) -> Tick {
            let round = i32::try_from(number / CODES).unwrap_or(i32::MAX);
            let quote = 10.0 + f64::from(round) / 100.0;
            // A little apart, as the levels of a book are.
            let mut figures = (1_i32..).map(|level| quote + f64::from(level) / 100.0);
            let mut next = || figures.next().unwrap_or_default();
            Tick {
                code: format!("{:06}", number % CODES),
                time: OPENS + i64::from(round) * 3000,
                $($column: next(),)*
            }
        }
    };
}

macro_rules! ticks {
    ($(#[$more:meta])*) => {
        tick! {
            $(#[$more])*
            price open high low pre_close volume amount open_interest upper_limit lower_limit trades
            bid_price1 bid_volume1 ask_price1 ask_volume1 bid_price2 bid_volume2 ask_price2 ask_volume2
            bid_price3 bid_volume3 ask_price3 ask_volume3 bid_price4 bid_volume4 ask_price4 ask_volume4
            bid_price5 bid_volume5 ask_price5 ask_volume5
        }
    };
}
