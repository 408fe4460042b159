//! Without the feature `opentelemetry`, messages carry no context of a trace.

use lapin::BasicProperties;
use tracing::Span;

pub(crate) fn inject(_: &Span, _: &mut BasicProperties) {}

pub(crate) fn extract(_: &Span, _: &BasicProperties) {}
