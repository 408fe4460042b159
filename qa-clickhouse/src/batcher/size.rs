//! How much memory a row takes: what stands in its type, and what its strings and sequences hold.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Error;

/// Bytes of `value` beside those of its own type.
pub(super) fn held<S: Serialize>(value: &S) -> usize {
    let mut count = Held::default();
    // A value that refuses to be serialized is found out when it is sent.
    let _ = value.serialize(&mut count);
    count.bytes
}

/// Serializes to nothing and counts what is out of line.
#[derive(Default)]
struct Held {
    bytes: usize,
    /// In how many sequences and maps we are: what they hold is out of line.
    depth: usize,
}

impl Held {
    fn fixed(&mut self, bytes: usize) {
        if self.depth > 0 {
            self.bytes += bytes;
        }
    }

    fn down(&mut self) -> &mut Self {
        self.depth += 1;
        self
    }

    fn up(&mut self) {
        self.depth -= 1;
    }
}

macro_rules! fixed {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<(), Error> {
            self.fixed(size_of::<$type>());
            Ok(())
        })*
    };
}

impl Serializer for &mut Held {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fixed! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.fixed(size_of::<String>());
        self.bytes += bytes.len();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.fixed(1);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.fixed(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Error> {
        self.fixed(1);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.fixed(1);
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        self.fixed(size_of::<Vec<u8>>());
        Ok(self.down())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        self.fixed(size_of::<Vec<u8>>());
        Ok(self.down())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for &mut Held {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        self.up();
        Ok(())
    }
}

impl SerializeMap for &mut Held {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        self.up();
        Ok(())
    }
}

/// What holds its parts in line: they count as they would alone.
macro_rules! in_line {
    ($($trait:ident :: $method:ident ($($key:ty)?)),*) => {
        $(impl $trait for &mut Held {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

in_line! {
    SerializeTuple::serialize_element(), SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(), SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Bar {
        number: u64,
        code: String,
        alias: Option<String>,
        prices: Vec<f64>,
        names: Vec<String>,
        fixed: [u8; 16],
        pair: (u32, u32),
    }

    #[test]
    fn what_is_in_line_counts_nothing_and_what_is_not_its_bytes() {
        let bar = Bar {
            number: 7,
            code: "000001".into(),
            alias: Some("ab".into()),
            prices: vec![1.0, 2.0, 3.0],
            names: vec!["x".into(), "yz".into()],
            fixed: [0; 16],
            pair: (1, 2),
        };
        assert_eq!(held(&bar), 6 + 2 + 3 * 8 + (2 * size_of::<String>() + 3));
        assert_eq!(held(&(1u8, 2i128, [0u8; 32], None::<String>)), 0);
        let map = std::collections::BTreeMap::from([("key".to_owned(), 1u32)]);
        assert_eq!(held(&map), size_of::<String>() + 3 + 4);
    }
}
