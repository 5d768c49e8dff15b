//! The partition of a key: Java's murmur2, so that any Kafka producer with default settings agrees.

/// Partition of `key` among `partitions`.
///
/// librdkafka's default partitioner differs (CRC32), hence our own. Source: Apache Kafka,
/// `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner.partitionForKey`.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) % partitions) as i32
}

/// Key of an entity declared over several fields: each part behind its length, so that `("a", "bc")`
/// and `("ab", "c")` differ.
#[must_use]
pub fn composite_key<S: AsRef<str>>(parts: &[S]) -> String {
    parts.iter().map(|p| format!("{}:{}", p.as_ref().len(), p.as_ref())).collect()
}

/// Murmur2 of `data`, as Kafka's Java clients compute it.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h: u32 = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (i, byte) in tail.iter().enumerate() {
        h ^= u32::from(*byte) << (8 * i);
    }
    if !tail.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from Apache Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_javas() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn composite_keys_do_not_collide() {
        assert_ne!(composite_key(&["a", "bc"]), composite_key(&["ab", "c"]));
    }
}
