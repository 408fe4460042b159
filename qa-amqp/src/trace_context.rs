//! The context of a trace in a message's headers, in the form that the process has chosen
//! (`opentelemetry::global::set_text_map_propagator`); W3C's is the header `traceparent`.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Puts the context of `span` into the headers; that of the caller's span where the subscriber does
/// not want this one.
pub(crate) fn inject(span: &Span, properties: &mut BasicProperties) {
    let context = if span.is_disabled() { Span::current().context() } else { span.context() };
    let mut headers = Headers(properties.headers().clone().unwrap_or_default());
    get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut headers));
    if !headers.0.inner().is_empty() {
        *properties = std::mem::take(properties).with_headers(headers.0);
    }
}

/// Makes `span` a child of what the headers tell of.
pub(crate) fn extract(span: &Span, properties: &BasicProperties) {
    let Some(headers) = properties.headers().as_ref().filter(|_| !span.is_disabled()) else {
        return;
    };
    let headers = Headers(headers);
    let parent = get_text_map_propagator(|propagator| propagator.extract(&headers));
    // Refused where no layer of OpenTelemetry is there: then there is no trace to be part of.
    let _ = span.set_parent(parent);
}

struct Headers<T>(T);

impl Injector for Headers<FieldTable> {
    fn set(&mut self, key: &str, value: String) {
        // AMQP has no room for names of more than 255 bytes.
        if let Ok(key) = ShortString::try_new(key) {
            self.0.insert(key, AMQPValue::LongString(value.into()));
        }
    }
}

impl Extractor for Headers<&FieldTable> {
    fn get(&self, key: &str) -> Option<&str> {
        match self.0.inner().get(key)? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            AMQPValue::ShortString(text) => Some(text.as_str()),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.inner().keys().map(ShortString::as_str).collect()
    }
}
