use super::*;

fn index_of<'t>(texts: impl IntoIterator<Item = (u128, &'t str)>) -> Index {
    let mut index = Index::new(usize::MAX);
    for (id, text) in texts {
        index.add(Uuid::from_u128(id), 0, text.split('|')).unwrap();
    }
    index
}

/// The texts found, joined as they were given to `index_of`.
fn found(index: &Index, term: &str) -> Vec<String> {
    let mut search = index.search(term);
    while !index.advance(&mut search) {}
    let mut texts = Vec::new();
    let mut out = Vec::new();
    while !index.write_found(&mut search, &mut out, |out, record| {
        texts.push(record.texts().collect::<Vec<_>>().join("|"));
        out.push(b'0');
    }) {}
    assert_eq!(String::from_utf8(out).unwrap(), format!("[{}]", vec!["0"; texts.len()].join(",")));
    texts
}

#[test]
fn terms_are_found_in_each_text_and_across_none() {
    let index = index_of([(2, "Ana|Ana Barbosa|Rust"), (1, "bia|Bia Lima"), (3, "Édson|x")]);
    assert_eq!(found(&index, "BARB"), ["Ana|Ana Barbosa|Rust"]);
    assert_eq!(found(&index, "a"), ["bia|Bia Lima", "Ana|Ana Barbosa|Rust"]);
    assert_eq!(found(&index, "éds"), ["Édson|x"]);
    assert_eq!(found(&index, "É"), ["Édson|x"]);
    for nothing in ["anaana", "bosarust", "xyz", "barbosas", "a|b", "aa", "z", ""] {
        assert!(found(&index, nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn the_first_fifty_by_id_are_found_in_whatever_order_they_came() {
    let mut ids: Vec<u128> = (0..5_000).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut ids);
    let texts: Vec<(u128, String)> = ids.iter().map(|id| (*id, format!("nick{id}"))).collect();
    let index = index_of(texts.iter().map(|(id, text)| (*id, text.as_str())));
    let expected: Vec<String> = (0..50).map(|id| format!("nick{id}")).collect();
    for term in ["nick", "i", "ck"] {
        assert_eq!(found(&index, term), expected, "{term}");
    }
    assert_eq!(found(&index, "nick4999"), ["nick4999"]);
    assert_eq!(found(&index, "99").len(), 50);
}

/// Room for as many as come costs nothing in the end, whatever was there before and however wrong the guess.
#[test]
fn room_that_was_made_is_within_the_bound_and_changes_nothing() {
    let texts: Vec<(u128, String)> = (0..20_000).map(|id| (id, format!("nick{id}"))).collect();
    let plain = index_of(texts.iter().map(|(id, text)| (*id, text.as_str())));
    for (guess, before) in [(20_000, 0), (20_000, 9_000), (usize::MAX, 100)] {
        let mut index = Index::new(plain.bytes() + 1_000_000);
        for (place, (id, text)) in texts.iter().enumerate() {
            if place == before {
                (0..Index::PARTS).for_each(|part| index.make_room(part, guess));
                assert!(index.bytes() <= index.max_bytes());
            }
            index.add(Uuid::from_u128(*id), 0, [text.as_str()].into_iter()).unwrap();
        }
        assert_eq!((index.len(), found(&index, "nick19999").len()), (20_000, 1), "{guess}, {before}");
        assert!(texts.iter().all(|(id, text)| index.contains(Uuid::from_u128(*id)) && index.has_key(text)));
        assert!(index.bytes() <= plain.bytes() + plain.bytes() / 20, "{guess}, {before}");
    }
}

/// Also over several blocks of records, with ids in order, out of order, and nearly in order, as replicas
/// give them.
#[test]
fn memory_agrees_with_a_plain_scan() {
    let mut random = fastrand::Rng::with_seed(11);
    for order in 0..3 {
        let mut word = |most: usize| -> String {
            let letters = ['a', 'b', 'é', 'B', ' ', '日', 'c', 'd'];
            (0..random.usize(0..=most)).map(|_| *random.choice(&letters).unwrap()).collect()
        };
        let mut texts: Vec<(u128, String)> =
            (0..2_000).map(|id| (id, format!("{}|{}", word(3), word(12)))).collect();
        let terms: Vec<String> = (0..500).map(|_| word(5)).filter(|term| !term.is_empty()).collect();
        match order {
            0 => {}
            1 => random.shuffle(&mut texts),
            _ => texts.chunks_mut(7).for_each(|some| random.shuffle(some)),
        }
        let index = index_of(texts.iter().map(|(id, text)| (*id, text.as_str())));
        texts.sort();
        for term in terms {
            let folded = fold(&term);
            let matches = |text: &&String| text.split('|').any(|part| fold(part).contains(folded.as_ref()));
            let expected: Vec<&String> =
                texts.iter().map(|(_, text)| text).filter(matches).take(MAX_FOUND).collect();
            assert_eq!(found(&index, &term).iter().collect::<Vec<_>>(), expected, "{term}, order {order}");
        }
    }
}

/// A search that goes on while others add finds all that was there when it began.
#[test]
fn an_index_may_grow_under_a_search() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut index = Index::new(usize::MAX);
    let add = |index: &mut Index, count: usize| {
        for _ in 0..count {
            let id = u128::try_from(index.len()).unwrap();
            let text = if id.is_multiple_of(1_000) { "aaa needle aaab" } else { "aaa hay" };
            index.add(Uuid::from_u128(id), 0, [format!("k{id}").as_str(), text].into_iter()).unwrap();
        }
    };
    add(&mut index, 10_001);
    for term in ["aaab", "needle"] {
        let (mut search, mut slices, before) = (index.search(term), 1, index.len() / 1_000 + 1);
        while !index.advance(&mut search) {
            slices += 1;
            add(&mut index, random.usize(0..300));
        }
        let mut count = 0;
        while !index.write_found(&mut search, &mut Vec::new(), |_, _| count += 1) {}
        assert!(count >= before.min(MAX_FOUND), "{term}: {count} of {before} in {slices} slices");
    }
}

/// The work between two slices is bounded whatever the term: by records compared, and by numbers read from
/// lists that never meet. A search that finds nobody among many candidates is the longest.
#[test]
fn a_slice_is_bounded() {
    let mut index = Index::new(usize::MAX);
    for id in 0..60_000_u32 {
        // "aaaa" has every record for a candidate and none that matches; "efgh" has two lists that never
        // meet.
        let text = if id.is_multiple_of(2) { "aaa efg" } else { "aaa fgh" };
        index.add(Uuid::from_u128(id.into()), 0, [format!("k{id}").as_str(), text].into_iter()).unwrap();
    }
    for (term, most_records) in [("aaaa", 700), ("efgh", 11_000)] {
        let (mut search, mut slices, mut before) = (index.search(term), 1, 0);
        while !index.advance(&mut search) {
            assert!(search.next - before <= most_records, "{term}");
            before = search.next;
            slices += 1;
        }
        assert!(slices >= 60_000 / most_records, "{term}: {slices} slices");
        assert!(found(&index, term).is_empty());
    }
    // A term of one or two bytes has fifty matches after fifty blocks at most, and is over at once if it is
    // nowhere.
    assert!(index.advance(&mut index.search("zz")));
}

/// An answer of large records is written in pieces.
#[test]
fn an_answer_is_written_in_bounded_pieces() {
    let large = "x".repeat(30_000);
    let index = index_of((0..60).map(|id| (id, large.as_str())));
    let mut search = index.search("xxx");
    while !index.advance(&mut search) {}
    let (mut out, mut pieces, mut before) = (Vec::new(), 1, 0);
    let render = |out: &mut Vec<u8>, record: Record<'_>| {
        out.extend_from_slice(record.texts().next().unwrap().as_bytes());
    };
    while !index.write_found(&mut search, &mut out, render) {
        assert!(out.len() - before <= 2 * 64 * 1024);
        before = out.len();
        pieces += 1;
    }
    assert!(pieces > 10, "{pieces}");
    assert_eq!(out, format!("[{}]", vec![large.as_str(); 50].join(",")).into_bytes());
}

#[test]
fn ids_keys_and_the_bound() {
    let mut index = index_of([(1, "ana|x"), (1, "other")]);
    assert_eq!(index.len(), 1);
    let record = index.get(Uuid::from_u128(1)).unwrap();
    assert_eq!(record.texts().collect::<Vec<_>>(), ["ana", "x"]);
    assert!(index.has_key("ana") && !index.has_key("other") && !index.has_key("x") && !index.has_key(""));
    index.max_bytes = index.bytes();
    assert_eq!(index.add(Uuid::from_u128(2), 0, ["b"].into_iter()), Err(Full));
    assert!(!index.contains(Uuid::from_u128(2)));
}

/// Texts of few different characters or of many, so that lists are short or long.
fn texts(random: &mut fastrand::Rng) -> Vec<String> {
    let ranges = [33..=126, 0xa0..=0x7ff, 0x800..=0xd7ff, 0x1_0000..=0x3_ffff];
    let some = if random.bool() { &ranges[..1] } else { &ranges[..] };
    let mut text = || -> String {
        let character = |random: &mut fastrand::Rng| {
            let range = some[random.usize(..some.len())].clone();
            char::from_u32(random.u32(range)).unwrap()
        };
        (0..random.usize(0..60)).map(|_| character(random)).collect()
    };
    (0..10).map(|_| text()).collect()
}

/// Whatever comes, an index takes what is within its bound to the byte, and is as it was after it has
/// refused.
#[test]
fn an_addition_is_weighed_before_it_is_entered() {
    let mut random = fastrand::Rng::with_seed(17);
    let (mut whole, mut weighed) = (Index::new(usize::MAX), Index::new(usize::MAX));
    // So that their tables grow alike.
    weighed.hasher = whole.hasher.clone();
    for id in 0..150 {
        let texts = texts(&mut random);
        let add = |index: &mut Index| index.add(Uuid::from_u128(id), 0, texts.iter().map(String::as_str));
        add(&mut whole).unwrap();
        let needed = whole.bytes();
        // One byte less, and there is no room for all of it.
        if needed > weighed.bytes() {
            let before = (weighed.bytes(), weighed.len(), weighed.records.len());
            weighed.set_max_bytes(needed - 1);
            assert_eq!(add(&mut weighed), Err(Full), "{id}");
            assert_eq!((weighed.bytes(), weighed.len(), weighed.records.len()), before, "{id}");
            assert!(!weighed.is_adding() && !weighed.contains(Uuid::from_u128(id)));
        }
        weighed.set_max_bytes(needed);
        assert_eq!(add(&mut weighed), Ok(()), "{id}: {needed} from {}", weighed.bytes());
        assert_eq!(weighed.bytes(), needed, "{id}");
    }
    for text in ["a", "ab", "abc", "é"] {
        assert_eq!(found(&weighed, text), found(&whole, text), "{text}");
    }
}

/// Between its slices an addition leaves the others alone: they are found as before, and the new one at its
/// end at the latest.
#[test]
fn an_addition_is_cut_into_slices() {
    let mut index = Index::new(usize::MAX);
    index.add(Uuid::from_u128(1), 0, ["ana"].into_iter()).unwrap();
    let long: Vec<String> = (0..130).map(|n| format!("ana {n:028}")).collect();
    for max_bytes in [usize::MAX, index.bytes() + 200_000] {
        index.set_max_bytes(max_bytes);
        let id = Uuid::from_u128(2 + u128::try_from(index.len()).unwrap());
        let before = index.len();
        index.begin(id, 0, long.iter().map(String::as_str)).unwrap();
        let mut slices = 1;
        loop {
            assert!(found(&index, "ana").len() >= before);
            if index.go_on().unwrap() {
                break;
            }
            slices += 1;
            assert!(!index.contains(id));
            assert_eq!(index.len(), before);
        }
        let bytes: usize = long.iter().map(|text| text.len() + 1).sum();
        let steps = if max_bytes == usize::MAX { 1 } else { 2 };
        assert_eq!(slices + 1, steps * bytes.div_ceil(SLICE_TEXT_BYTES), "{bytes} bytes");
        assert!(index.contains(id) && index.len() == before + 1);
        assert_eq!(found(&index, "ana").len(), before + 1);
        assert_eq!(found(&index, "0129").len(), before);
    }
}

/// A thousand people as large as they may be, of varied script, are within the bytes that a replica has by
/// default.
#[test]
fn a_thousand_of_the_largest_people_fit() {
    let mut random = fastrand::Rng::with_seed(1);
    let ranges = [0x1_0000..=0x3_ffff, 0x800..=0xd7ff, 0xa0..=0x7ff, 33..=126];
    let mut text = |bytes: usize| {
        let mut text = String::new();
        while text.len() + 4 <= bytes {
            let range = ranges[random.usize(..4)].clone();
            text.push(char::from_u32(random.u32(range)).unwrap());
        }
        text
    };
    let mut index = Index::new(64 * 1024 * 1024);
    for id in 0..1_000 {
        let texts: Vec<String> = [128, 400].into_iter().chain([100; 41]).map(&mut text).collect();
        index.add(Uuid::from_u128(id), 0, texts.iter().map(String::as_str)).unwrap();
        assert!(index.bytes() <= 64 * 1024 * 1024);
    }
}
