//! Accounts that look like real ones.

use qa_mongo::market::QifiAccount;
use qa_mongo::mongodb::bson::doc;

/// The orders of an account of 22 KB; one is about 220 bytes.
pub(crate) const ORDERS: u32 = 100;

pub(crate) fn account(at: u32, round: u32, orders: u32) -> QifiAccount {
    let order = |number: u32| {
        let order = doc! {
            "order_id": format!("order-{number}"), "instrument_id": "000001", "exchange_id": "SSE",
            "direction": "BUY", "offset": "OPEN", "volume_orign": 100.0, "volume_left": 0.0,
            "limit_price": 12.5, "status": "FINISHED", "last_msg": "all of it was traded",
        };
        (format!("order-{number}"), order.into())
    };
    QifiAccount {
        account_cookie: format!("account-{at}"),
        trading_day: "2018-01-02".to_owned(),
        updatetime: format!("{round}"),
        accounts: doc! { "balance": 1_000_000.0 + f64::from(round), "available": 500_000.0 },
        orders: (0..orders).map(order).collect(),
        ..QifiAccount::default()
    }
}
