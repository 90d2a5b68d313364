//! The report as a reader sees it: in light and in dark, on a desk and on a phone.
//!
//! Skipped, and saying so, where no Chromium is found; with `CI=true` that is a failure. The pictures are
//! left in cargo's folder for temporary files.

use std::path::{Path, PathBuf};

use pouco_lab::report;
use pouco_tools::support::browser::{self, Browser};

/// Something in the page that is wider than the page, outside of a box that scrolls.
const OVERFLOWING: &str = "(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll('body *')].filter(element =>
        element.getBoundingClientRect().right > width + 0.5 && !element.closest('.scroll, pre'));
    return wide.map(element => element.tagName + '.' + element.className).slice(0, 5).join(' ');
})()";

/// Letters in pictures that would be smaller than a reader can read.
const SMALLEST_LETTERS: &str = "Math.min(...[...document.querySelectorAll('svg text')].map(text =>
    parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))";

/// Words in pictures that lie over each other or leave their picture.
const COLLIDING: &str = "(() => {
    const found = [];
    for (const picture of document.querySelectorAll('figure svg')) {
        const frame = picture.getBoundingClientRect();
        const texts = [...picture.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
        for (const [word, box] of texts)
            if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push('outside: ' + word);
        for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
            const [a, b] = [texts[i][1], texts[j][1]];
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 4) found.push(texts[i][0] + ' over ' + texts[j][0]);
        }
    }
    return found.slice(0, 5).join('; ');
})()";

struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl Picture {
    fn decode(bytes: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let samples = info.color_type.samples();
        assert!(samples >= 3, "{:?}", info.color_type);
        let rgb = pixels[..info.buffer_size()].chunks_exact(samples).map(|p| [p[0], p[1], p[2]]).collect();
        Self { width: info.width as usize, height: info.height as usize, rgb }
    }

    /// From 0 to 255: of the left edge, where there is only paper.
    fn paper(&self) -> f64 {
        let edge: Vec<f64> = self.rgb.iter().step_by(self.width).map(luminance).collect();
        edge.iter().sum::<f64>() / edge.len() as f64
    }

    /// The share of pixels that are far from the paper: letters and lines.
    fn ink(&self) -> f64 {
        let paper = self.paper();
        let inked = self.rgb.iter().filter(|pixel| (luminance(pixel) - paper).abs() > 90.0).count();
        inked as f64 / self.rgb.len() as f64
    }
}

fn luminance([red, green, blue]: &[u8; 3]) -> f64 {
    0.2126 * f64::from(*red) + 0.7152 * f64::from(*green) + 0.0722 * f64::from(*blue)
}

fn write(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// Shows a page and checks what must be so at any width and in any colours.
fn look(browser: &mut Browser, page: &Path, width: u32, colours: &str) {
    let name = format!("{} at {width}", page.display());
    browser.show(page, width, colours);
    assert_eq!(browser.evaluate("innerWidth"), width, "{name}");
    let scrolled = browser.evaluate("document.documentElement.scrollWidth");
    assert_eq!(scrolled, width, "{name}: the page scrolls sideways");
    assert_eq!(browser.evaluate(OVERFLOWING), "", "{name}");
    assert_eq!(browser.evaluate(COLLIDING), "", "{name}");
    let loaded = browser.evaluate("performance.getEntriesByType('resource').length");
    assert_eq!(loaded, 0, "{name}: the page loads something");
}

/// The picture of what is shown, which has letters and lines but is mostly paper.
fn photograph(browser: &mut Browser, name: &str, width: usize) -> Picture {
    let bytes = browser.picture();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png")), &bytes).unwrap();
    let picture = Picture::decode(&bytes);
    assert_eq!(picture.width, width, "{name}");
    assert!(picture.height > 900, "{name}: {} high", picture.height);
    assert!((0.005..0.25).contains(&picture.ink()), "{name}: {} of the pixels are inked", picture.ink());
    picture
}

#[test]
fn the_page_is_light_or_dark_as_the_reader_prefers_and_fits_a_phone() {
    let Some(mut browser) = browser::start() else { return };
    let page = write("report.html", &report::html(&crate::sample::record()));
    for (name, width, colours) in
        [("desk-light", 1280, "light"), ("desk-dark", 1280, "dark"), ("phone-light", 360, "light")]
    {
        look(&mut browser, &page, width, colours);
        let paper = photograph(&mut browser, name, width as usize).paper();
        assert!(if colours == "light" { paper > 240.0 } else { paper < 40.0 }, "{name}: {paper}");
    }
    let letters = browser.evaluate(SMALLEST_LETTERS).as_f64().unwrap();
    assert!(letters >= 9.5, "letters of {letters} px on a phone");
}

#[test]
fn records_with_little_or_much_in_them_are_pages_too() {
    let Some(mut browser) = browser::start() else { return };
    let records = [("partial", crate::sample::partial()), ("crowd", crate::sample::crowd())];
    for (name, record) in records {
        let page = write(&format!("{name}.html"), &report::html(&record));
        for width in [1280, 360] {
            look(&mut browser, &page, width, "light");
        }
    }
}

#[test]
fn the_summary_is_readable_on_light_and_dark_pages() {
    let Some(mut browser) = browser::start() else { return };
    let file = write("summary.svg", &report::svg_summary(&crate::sample::record()));
    for (colours, page) in [("light", "#ffffff"), ("dark", "#0d1117")] {
        // As a README shows it: as an image, which cannot see the page around it.
        let around = format!("<body style='margin:0;background:{page}'><img src='{}'>", file.display());
        browser.show(&write("readme.html", &around), 880, colours);
        let bytes = browser.picture();
        std::fs::write(file.with_file_name(format!("summary-{colours}.png")), &bytes).unwrap();
        let picture = Picture::decode(&bytes);
        let paper = luminance(&picture.rgb[picture.width * 20 + 20]);
        assert!(if colours == "light" { paper > 240.0 } else { paper < 40.0 }, "{colours}: {paper}");
        let drawn = &picture.rgb[..picture.width * 200];
        let inked = drawn.iter().filter(|pixel| (luminance(pixel) - paper).abs() > 60.0).count();
        assert!(inked > 2_000, "{colours}: {inked} pixels");
    }
}
