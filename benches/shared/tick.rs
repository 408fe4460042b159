// A tick of 33 columns, for ours and for the peers: whoever includes this has in scope what is derived, with
// the `Row` of their own client.

/// Codes that have a tick in every round of three seconds.
const CODES: u64 = 4000;

/// 2024-01-02 09:30 in Shanghai, in milliseconds.
const OPENS: i64 = 1_704_159_000_000;

#[derive(Row, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) code: String,
    pub(crate) time: i64,
    pub(crate) price: f64,
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) pre_close: f64,
    pub(crate) volume: f64,
    pub(crate) amount: f64,
    pub(crate) open_interest: f64,
    pub(crate) upper_limit: f64,
    pub(crate) lower_limit: f64,
    pub(crate) trades: f64,
    pub(crate) bid_price1: f64,
    pub(crate) bid_volume1: f64,
    pub(crate) ask_price1: f64,
    pub(crate) ask_volume1: f64,
    pub(crate) bid_price2: f64,
    pub(crate) bid_volume2: f64,
    pub(crate) ask_price2: f64,
    pub(crate) ask_volume2: f64,
    pub(crate) bid_price3: f64,
    pub(crate) bid_volume3: f64,
    pub(crate) ask_price3: f64,
    pub(crate) ask_volume3: f64,
    pub(crate) bid_price4: f64,
    pub(crate) bid_volume4: f64,
    pub(crate) ask_price4: f64,
    pub(crate) ask_volume4: f64,
    pub(crate) bid_price5: f64,
    pub(crate) bid_volume5: f64,
    pub(crate) ask_price5: f64,
    pub(crate) ask_volume5: f64,
}

/// The tick with this number: every code in turn, one round every three seconds.
pub(crate) fn tick(number: u64) -> Tick {
    let round = i32::try_from(number / CODES).unwrap_or(i32::MAX);
    let quote = 10.0 + f64::from(round) / 100.0;
    // A little apart, as the levels of a book are.
    let figure = |level: i32| quote + f64::from(level) / 100.0;
    Tick {
        code: format!("{:06}", number % CODES),
        time: OPENS + i64::from(round) * 3000,
        price: figure(0),
        open: figure(1),
        high: figure(2),
        low: figure(3),
        pre_close: figure(4),
        volume: figure(5),
        amount: figure(6),
        open_interest: figure(7),
        upper_limit: figure(8),
        lower_limit: figure(9),
        trades: figure(10),
        bid_price1: figure(11),
        bid_volume1: figure(12),
        ask_price1: figure(13),
        ask_volume1: figure(14),
        bid_price2: figure(15),
        bid_volume2: figure(16),
        ask_price2: figure(17),
        ask_volume2: figure(18),
        bid_price3: figure(19),
        bid_volume3: figure(20),
        ask_price3: figure(21),
        ask_volume3: figure(22),
        bid_price4: figure(23),
        bid_volume4: figure(24),
        ask_price4: figure(25),
        ask_volume4: figure(26),
        bid_price5: figure(27),
        bid_volume5: figure(28),
        ask_price5: figure(29),
        ask_volume5: figure(30),
    }
}
