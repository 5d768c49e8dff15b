//! Variable-length integers of the packed state: seven bits a byte, lowest first, in the shortest form.

use crate::Error;

/// Appends `value`.
pub(crate) fn put_small(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed `value`, small magnitudes in few bytes.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i128) {
    if let Ok(small) = i64::try_from(value) {
        return put_small(out, ((small << 1) ^ (small >> 63)) as u64);
    }
    let mut value = zigzag(value);
    while value > u128::from(u64::MAX) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    put_small(out, value as u64);
}

fn zigzag(value: i128) -> u128 {
    ((value << 1) ^ (value >> 127)) as u128
}

fn unzigzag(value: u128) -> i128 {
    (value >> 1) as i128 ^ -((value & 1) as i128)
}

/// Bytes being read, with nothing trusted.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.bytes.split_first().ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// Reads what [`put_small`] writes; longer forms of the same number are refused.
    pub(crate) fn small(&mut self) -> Result<u64, Error> {
        u64::try_from(self.varint()?).map_err(|_| TOO_LONG)
    }

    /// Reads what [`put_signed`] writes.
    pub(crate) fn signed(&mut self) -> Result<i128, Error> {
        Ok(unzigzag(self.varint()?))
    }

    fn varint(&mut self) -> Result<u128, Error> {
        let mut low = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            low |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(TOO_LONG) } else { Ok(u128::from(low)) };
            }
        }
        self.wide(u128::from(low))
    }

    /// The rest of a number whose lowest 63 bits are `value`.
    fn wide(&mut self, mut value: u128) -> Result<u128, Error> {
        for shift in (63..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if byte == 0 || (shift == 126 && bits > 3) {
                return Err(TOO_LONG);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(TOO_LONG)
    }
}

const TOO_LONG: Error = Error::Damaged("a number is too long");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<i128>(), small in -300i128..300) {
            for v in [value, small, value >> 64, value >> 63, i128::MIN, i128::MAX] {
                let mut out = Vec::new();
                put_signed(&mut out, v);
                let mut reader = Reader::new(&out);
                prop_assert_eq!(reader.signed().unwrap(), v);
                prop_assert_eq!(reader.remaining(), 0);
            }
        }
    }

    #[test]
    fn only_the_shortest_form_is_read() {
        assert_eq!(Reader::new(&[0x80, 0x00]).signed(), Err(TOO_LONG));
        assert_eq!(Reader::new(&[0xff; 40]).signed(), Err(TOO_LONG));
        assert_eq!(Reader::new(&[0x80]).signed(), Err(Error::Truncated));
    }
}
