//! What the posting lists would take in other encodings, and what reading them would cost: the same lists, in
//! exact vectors without the slack of growing.

use pouco::cache::search::Index;

use crate::measure::Now;

type Encode = fn(&[u32]) -> Vec<u8>;
type Sum = fn(&[u8], usize) -> u64;

const ENCODINGS: [(&str, Encode, Sum); 4] = [
    ("LEB128 gaps", leb128, sum_leb128),
    ("LEB128 gaps or a bitmap, what is shorter", leb128_or_bitmap, sum_leb128_or_bitmap),
    ("gaps in the list's fixed number of bits", fixed, sum_fixed),
    ("plain 32-bit numbers", plain, sum_plain),
];

pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
    pub(crate) nanos_a_posting: f64,
}

/// The encodings of every list, and how long reading all of it takes.
pub(crate) fn compare(index: &Index) -> (usize, Vec<Line>) {
    let mut count = 0;
    let now = Now::get();
    index.each_list(|numbers| count += numbers.len());
    let own = now.passed().cpu;
    let mut lines = vec![Line {
        name: "adaptive Rice code in linked blocks (in use; with its slack)",
        bytes: index.bytes_by_owner().postings,
        nanos_a_posting: own * 1e3 / count as f64,
    }];
    for (name, encode, sum) in ENCODINGS {
        let mut lists = Vec::new();
        let mut expected = 0;
        index.each_list(|numbers| {
            expected += numbers.iter().map(|number| u64::from(*number)).sum::<u64>();
            lists.push((encode(numbers), numbers.len()));
        });
        let now = Now::get();
        let read: u64 = lists.iter().map(|(list, count)| sum(list, *count)).sum();
        let cpu = now.passed().cpu;
        assert_eq!(read, expected, "{name} gives back other numbers");
        let bytes = lists.iter().map(|(list, _)| list.len()).sum();
        lines.push(Line { name, bytes, nanos_a_posting: cpu * 1e3 / count as f64 });
    }
    (count, lines)
}

fn gaps(numbers: &[u32]) -> impl Iterator<Item = u32> {
    let before = std::iter::once(0).chain(numbers.iter().map(|number| number + 1));
    numbers.iter().zip(before).map(|(number, before)| number - before)
}

fn leb128(numbers: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    for mut gap in gaps(numbers) {
        while gap >= 0x80 {
            out.push((gap & 0x7f) as u8 | 0x80);
            gap >>= 7;
        }
        out.push(gap as u8);
    }
    out
}

fn sum_leb128(list: &[u8], _: usize) -> u64 {
    let (mut next, mut sum, mut gap, mut shift) = (0_u32, 0, 0, 0);
    for byte in list {
        gap |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            sum += u64::from(next + gap);
            next += gap + 1;
            (gap, shift) = (0, 0);
        }
    }
    sum
}

fn leb128_or_bitmap(numbers: &[u32]) -> Vec<u8> {
    let bytes = numbers.last().map_or(0, |last| *last as usize / 8 + 1);
    let mut list = leb128(numbers);
    list.insert(0, 0);
    if bytes + 1 >= list.len() {
        return list;
    }
    let mut bitmap = vec![0; bytes + 1];
    bitmap[0] = 1;
    numbers.iter().for_each(|number| bitmap[*number as usize / 8 + 1] |= 1 << (number % 8));
    bitmap
}

fn sum_leb128_or_bitmap(list: &[u8], count: usize) -> u64 {
    if list[0] == 0 {
        return sum_leb128(&list[1..], count);
    }
    let mut sum = 0;
    for (at, byte) in list[1..].iter().enumerate() {
        let mut left = *byte;
        while left != 0 {
            sum += 8 * at as u64 + u64::from(left.trailing_zeros());
            left &= left - 1;
        }
    }
    sum
}

fn fixed(numbers: &[u32]) -> Vec<u8> {
    let bits = 32 - gaps(numbers).max().unwrap_or(0).leading_zeros();
    let (mut window, mut filled, mut out) = (0_u64, 0, vec![bits as u8]);
    for gap in gaps(numbers) {
        window |= u64::from(gap) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(window as u8);
            window >>= 8;
            filled -= 8;
        }
    }
    out.push(window as u8);
    out
}

fn sum_fixed(list: &[u8], count: usize) -> u64 {
    let bits = u32::from(list[0]);
    let mask = (1_u64 << bits) - 1;
    let (mut window, mut filled, mut at, mut next, mut sum) = (0_u64, 0, 1, 0_u64, 0);
    for _ in 0..count {
        while filled < bits {
            window |= u64::from(list[at]) << filled;
            filled += 8;
            at += 1;
        }
        let gap = window & mask;
        window >>= bits;
        filled -= bits;
        sum += next + gap;
        next += gap + 1;
    }
    sum
}

fn plain(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn sum_plain(list: &[u8], _: usize) -> u64 {
    list.as_chunks::<4>().0.iter().map(|number| u64::from(u32::from_le_bytes(*number))).sum()
}
