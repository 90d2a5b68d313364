//! Ascending numbers in few bits each: the gaps between them in an adaptive Rice code, in linked blocks of
//! one cache line.
//!
//! A gap is divided by a power of two near the mean gap so far: the quotient is written in unary, the
//! remainder in binary. Writer and reader take the power from what they have seen, so it is stored nowhere. A
//! list wastes at most the rest of its last block, and growing moves nothing. A short list has no block: its
//! bits stand in the place of the blocks' numbers. Most lists are short where people write in many scripts,
//! and would have a block for a few bits each.

use super::arena::Pieces;

const BLOCK_WORDS: usize = 16;
const BLOCK_BITS: u32 = 15 * 32;
/// The last word of a block names the next one.
const LINK: usize = BLOCK_WORDS - 1;
const _: () = assert!(BLOCK_BITS as usize == 32 * LINK);

/// What a list keeps without a block: the same bits as at the start of its first one.
const INLINE_WORDS: usize = 2;
const INLINE_BITS: u32 = 2 * 32;
const _: () = assert!(INLINE_BITS as usize == 32 * INLINE_WORDS);
/// In the place of the number of the first block, whether there is one yet or not.
const FIRST: u32 = u32::MAX;

/// A quotient of this many ones is followed by the gap itself: however badly the mean predicts, a gap stays
/// short.
const ESCAPE: u32 = 16;

/// The power is chosen again after so many numbers.
const PERIOD: u32 = 32;

/// All blocks of all lists.
#[derive(Default)]
pub(super) struct Blocks(Pieces<[u32; BLOCK_WORDS]>);

/// What writer and reader both know of the numbers behind them.
#[derive(Clone, Copy, Debug)]
struct Model {
    /// The last number plus one; zero if there is none.
    next: u32,
    count: u32,
    power: u8,
}

/// How a number is written.
struct Code {
    quotient: u32,
    /// Of the remainder, or of the gap itself.
    bits: u64,
    length: u32,
}

/// A place in a list: the next bit to write or to read.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: u32,
    bit: u32,
}

/// A list, as its writer has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    body: Body,
    model: Model,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Inline {
        end: u16,
        words: [u32; INLINE_WORDS],
    },
    /// `end` is a bit of the block `last`.
    Blocks {
        end: u16,
        first: u32,
        last: u32,
    },
}
const _: () = assert!(size_of::<List>() == 24, "there may be a million of them");

/// How far a list was read. Lists only grow, so it stays valid while others add.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    place: Place,
    model: Model,
}

impl Model {
    const EMPTY: Self = Self { next: 0, count: 0, power: 8 };

    #[allow(clippy::cast_possible_truncation)] // below 32
    fn pass(&mut self, gap: u32) {
        self.next += gap;
        self.count += 1;
        if self.count < PERIOD || self.count.is_multiple_of(PERIOD) {
            // The best power for a geometric distribution is that nearest to ln 2 of its mean.
            let mean = self.next / self.count;
            self.power = (mean - mean / 4).checked_ilog2().unwrap_or(0) as u8;
        }
    }

    /// The code of a number that is larger than any before, and its gap.
    fn code(&self, number: u32) -> (Code, u32) {
        let gap = number + 1 - self.next;
        let power = u32::from(self.power);
        // A gap is one at least.
        let coded = gap - 1;
        let quotient = coded >> power;
        let code = if quotient < ESCAPE {
            let bits = u64::from(coded) & ((1 << power) - 1);
            Code { quotient, bits, length: quotient + 1 + power }
        } else {
            Code { quotient: ESCAPE, bits: coded.into(), length: ESCAPE + 32 }
        };
        (code, gap)
    }
}

impl Code {
    /// All of it, the first bit lowest; at most 48.
    fn whole(&self) -> u64 {
        let (ones, unary) = match self.quotient {
            ESCAPE => ((1 << ESCAPE) - 1, ESCAPE),
            quotient => ((1 << quotient) - 1, quotient + 1),
        };
        ones | self.bits << unary
    }
}

impl Blocks {
    /// A list of one number.
    pub(super) fn list(&mut self, number: u32) -> Option<List> {
        let body = Body::Inline { end: 0, words: [0; INLINE_WORDS] };
        let mut list = List { body, model: Model::EMPTY };
        self.push(&mut list, number)?;
        Some(list)
    }

    fn block(&mut self, block: [u32; BLOCK_WORDS]) -> Option<u32> {
        let number = u32::try_from(self.0.len()).ok().filter(|number| *number != FIRST)?;
        self.0.push(block);
        Some(number)
    }

    /// Appends a number that is larger than any before. `None` if there are no blocks left to name.
    #[allow(clippy::cast_possible_truncation)] // halves of a word, and ends that are below 512
    pub(super) fn push(&mut self, list: &mut List, number: u32) -> Option<()> {
        let (code, gap) = list.model.code(number);
        list.body = match list.body {
            Body::Inline { end, mut words } if u32::from(end) + code.length <= INLINE_BITS => {
                let whole = code.whole() << end | u64::from(words[1]) << 32 | u64::from(words[0]);
                words = [whole as u32, (whole >> 32) as u32];
                Body::Inline { end: end + code.length as u16, words }
            }
            Body::Inline { end, words } => {
                let mut block = [0; BLOCK_WORDS];
                block[..INLINE_WORDS].copy_from_slice(&words);
                let first = self.block(block)?;
                self.write(first, Place { block: first, bit: end.into() }, &code)?
            }
            Body::Blocks { end, first, last } => {
                self.write(first, Place { block: last, bit: end.into() }, &code)?
            }
        };
        list.model.pass(gap);
        Some(())
    }

    #[allow(clippy::cast_possible_truncation)] // what does not fit into the word comes into the next
    fn write(&mut self, first: u32, mut end: Place, code: &Code) -> Option<Body> {
        let (mut bits, mut count) = (code.whole(), code.length);
        while count > 0 {
            if end.bit == BLOCK_BITS {
                let next = self.block([0; BLOCK_WORDS])?;
                self.0.get_mut(end.block)[LINK] = next;
                end = Place { block: next, bit: 0 };
            }
            let shift = end.bit % 32;
            let taken = count.min(32 - shift);
            self.0.get_mut(end.block)[end.bit as usize / 32] |= (bits as u32) << shift;
            bits >>= taken;
            count -= taken;
            end.bit += taken;
        }
        Some(Body::Blocks { end: end.bit as u16, first, last: end.block })
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The word that is written next, if there is a block for it.
    pub(super) fn end(&self, list: &List) -> u32 {
        match list.body {
            Body::Inline { .. } => 0,
            Body::Blocks { end, last, .. } => self.0.get(last)[usize::from(end) / 32],
        }
    }

    /// By how much so many blocks raise [`Blocks::bytes`].
    pub(super) fn growth(&self, more: usize) -> usize {
        self.0.growth(more)
    }
}

impl List {
    pub(super) fn count(&self) -> u32 {
        self.model.count
    }

    /// Whether `number` is the last one.
    pub(super) fn ends_with(&self, number: u32) -> bool {
        self.model.next == number + 1
    }

    pub(super) fn start(&self) -> Position {
        Position { place: Place { block: FIRST, bit: 0 }, model: Model::EMPTY }
    }

    /// Whether a number that is larger than any before takes another block.
    pub(super) fn grows_with(&self, number: u32) -> bool {
        let (end, bound) = match self.body {
            Body::Inline { end, .. } => (end, INLINE_BITS),
            Body::Blocks { end, .. } => (end, BLOCK_BITS),
        };
        u32::from(end) + self.model.code(number).0.length > bound
    }
}

/// Reads a list while nobody writes.
pub(super) struct Reader<'b> {
    blocks: &'b Blocks,
    /// How many numbers the list has.
    count: u32,
    model: Model,
    /// Bits read ahead, the next one lowest.
    window: u64,
    filled: u32,
    /// Where the window is filled from, the words of that block, and the block before it.
    ahead: Place,
    words: &'b [u32],
    before: Option<u32>,
    /// Numbers read.
    pub(super) steps: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(blocks: &'b Blocks, list: &'b List, position: Position) -> Self {
        let Position { mut place, model } = position;
        let words: &[u32] = match &list.body {
            Body::Inline { words, .. } => words,
            Body::Blocks { first, .. } => {
                if place.block == FIRST {
                    place.block = *first;
                }
                blocks.0.get(place.block)
            }
        };
        let mut reader = Self {
            blocks,
            count: list.model.count,
            model,
            window: 0,
            filled: 0,
            ahead: place,
            words,
            before: None,
            steps: 0,
        };
        // To the next whole word.
        let odd = place.bit % 32;
        if odd > 0 {
            reader.window = u64::from(words[place.bit as usize / 32] >> odd);
            reader.filled = 32 - odd;
            reader.ahead.bit += reader.filled;
        }
        reader
    }

    pub(super) fn position(&self) -> Position {
        let Self { ahead, filled, .. } = *self;
        // What was read ahead is less than a block. At its end the next one may not be there yet.
        let place = match self.before {
            Some(block) if ahead.bit <= filled => Place { block, bit: BLOCK_BITS + ahead.bit - filled },
            _ => Place { block: ahead.block, bit: ahead.bit - filled },
        };
        Position { place, model: self.model }
    }

    /// The next number at or after `least`, if there is one yet. It may be asked for again.
    pub(super) fn seek(&mut self, least: u32) -> Option<u32> {
        while self.model.next <= least {
            if self.model.count == self.count {
                return None;
            }
            self.steps += 1;
            let gap = self.gap();
            self.model.pass(gap);
        }
        Some(self.model.next - 1)
    }

    #[allow(clippy::cast_possible_truncation)] // masked to 32 bits at most
    fn gap(&mut self) -> u32 {
        if self.filled <= 32 {
            self.fill();
        }
        let power = u32::from(self.model.power);
        let quotient = self.window.trailing_ones();
        if quotient >= ESCAPE {
            self.consume(ESCAPE);
            self.fill();
            let coded = self.window as u32;
            self.consume(32);
            return coded + 1;
        }
        self.consume(quotient + 1);
        if self.filled < power {
            self.fill();
        }
        let remainder = self.window as u32 & ((1 << power) - 1);
        self.consume(power);
        (quotient << power | remainder) + 1
    }

    /// At least 33 bits. Past the end of the list they mean nothing, and nobody looks at them.
    fn fill(&mut self) {
        while self.filled <= 32 {
            if self.ahead.bit == BLOCK_BITS {
                self.before = Some(self.ahead.block);
                self.ahead = Place { block: self.words[LINK], bit: 0 };
                self.words = self.blocks.0.get(self.ahead.block);
            }
            // A list without a block has no word after its own.
            let word = self.words.get(self.ahead.bit as usize / 32).copied().unwrap_or(0);
            self.window |= u64::from(word) << self.filled;
            self.filled += 32;
            self.ahead.bit += 32;
        }
    }

    fn consume(&mut self, bits: u32) {
        self.window >>= bits;
        self.filled -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blocks: &Blocks, list: &List, position: &mut Position, most: usize) -> Vec<u32> {
        let mut reader = Reader::new(blocks, list, *position);
        let mut least = reader.model.next;
        let numbers = std::iter::from_fn(|| {
            let number = reader.seek(least)?;
            least = number + 1;
            Some(number)
        });
        let numbers = numbers.take(most).collect();
        *position = reader.position();
        numbers
    }

    /// Gaps of every size in sudden turns, read in pieces of every size while the list grows.
    #[test]
    fn a_list_gives_back_what_was_added() {
        let mut random = fastrand::Rng::with_seed(3);
        for round in 0..200 {
            let mut blocks = Blocks::default();
            let (mut number, mut scale, mut added, mut seen) = (1_u32, 1, vec![0], Vec::new());
            let (mut list, mut other) = (blocks.list(0).unwrap(), blocks.list(0).unwrap());
            let mut position = list.start();
            for _ in 0..random.usize(0..2_000) {
                if random.u8(..) < 4 {
                    scale = 1 << random.u32(0..24);
                }
                let Some(larger) = number.checked_add(random.u32(0..scale)).filter(|n| *n < u32::MAX - 1)
                else {
                    break;
                };
                let (grows, before) = (list.grows_with(larger), blocks.0.len());
                blocks.push(&mut list, larger).unwrap();
                assert_eq!(blocks.0.len(), before + usize::from(grows), "round {round}");
                blocks.push(&mut other, u32::try_from(added.len()).unwrap()).unwrap();
                added.push(larger);
                number = larger + 1;
                if random.u8(..) < 20 {
                    seen.extend(read(&blocks, &list, &mut position, random.usize(0..100)));
                }
            }
            seen.extend(read(&blocks, &list, &mut position, usize::MAX));
            assert_eq!(seen, added, "round {round}");
            assert_eq!(list.count() as usize, added.len());
            let all: Vec<u32> = (0..u32::try_from(added.len()).unwrap()).collect();
            assert_eq!(read(&blocks, &other, &mut other.start(), usize::MAX), all);
        }
    }

    #[test]
    fn a_number_in_every_place_takes_little_more_than_a_bit() {
        let mut blocks = Blocks::default();
        let mut list = blocks.list(0).unwrap();
        assert_eq!(blocks.0.len(), 0);
        (1..100_000).for_each(|number| blocks.push(&mut list, number).unwrap());
        assert!(blocks.0.len() * 64 < 14_000, "{} blocks", blocks.0.len());
    }
}
