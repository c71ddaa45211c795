//! xfskit beside the kernel's XFS, in one run on one machine: whole processes, durable at the end on both sides.
//!
//! Both sides start from copies of the same images, made by the kernel, in the same folder. The kernel's time is mount, work,
//! sync, unmount of a loop device; ours is the command from start to exit. Rounds alternate between the sides, and the medians
//! are compared. Started by `cargo xtask bench`, which builds what is timed.

mod images;
mod kernel;
mod lab;
mod opening;
mod sample;
mod works;

use std::process::ExitCode;

use lab::{Lab, Options, Runner};
use sample::Sample;
use works::{Cache, Work};

const USAGE: &str = "\
usage: cargo xtask bench [--runs N] [--only WORD] [--dir DIR] [--wasm]

  --runs N      rounds per work, 5 unless told
  --only WORD   only works whose name has this word
  --dir DIR     where the images lie; target/bench unless told. Some 12 GB of sparse files
  --wasm        also the precompiled wasip1 build under wasmtime, beside the host build";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("xfskit-bench: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let lab = Lab::new(options)?;
    images::prepare(&lab)?;
    let overhead = Sample::take(options.runs, || {
        lab.restore(images::EMPTY)?;
        lab.timed(kernel::with_mount(&lab, |_| Ok(())))
    })?;
    println!(
        "\nof the kernel's time, mount and unmount of an empty volume are {:.0} ms\n",
        overhead.median_ms()
    );
    println!("| work | kernel ms | xfskit ms | ratio | at most | peak MiB |");
    println!("|---|---|---|---|---|---|");
    let chosen = |work: &&Work| options.only.as_ref().is_none_or(|word| work.name.contains(word.as_str()));
    for work in works::all().iter().filter(chosen) {
        println!("{}", against_kernel(&lab, options, work)?);
    }
    opening::run(&lab, options)?;
    if options.with_wasm {
        wasm(&lab, options)?;
    }
    Ok(())
}

/// One row: both sides in turn, then once more for memory.
fn against_kernel(lab: &Lab, options: &Options, work: &Work) -> Result<String, String> {
    let (mut kernel, mut ours) = (Vec::new(), Vec::new());
    let mut extents = None;
    for _ in 0..options.runs {
        ready(lab, work)?;
        kernel.push(lab.timed(|| (work.kernel)(lab))?);
        let theirs = works::extents(lab, work)?;
        ready(lab, work)?;
        match lab.timed(|| (work.ours)(lab, Runner::Host)) {
            Ok(time) => ours.push(time),
            Err(error) => {
                let kernel = Sample::new(kernel).median_ms();
                return Ok(format!(
                    "| {} | {kernel:.0} | failed: {} | | {} | |",
                    work.name,
                    brief(&error),
                    work.limit
                ));
            }
        }
        extents = theirs.zip(works::extents(lab, work)?).or(extents);
    }
    ready(lab, work)?;
    let peak = lab.peak_mib(|lab| (work.ours)(lab, Runner::Host))?;
    let (kernel, ours) = (Sample::new(kernel), Sample::new(ours));
    let ratio = ours.median_ms() / kernel.median_ms();
    let verdict = if ratio <= work.limit { "" } else { " (over)" };
    let mut row = format!(
        "| {} | {:.0} | {:.0} | {ratio:.2}{verdict} | {} | {peak:.0} |",
        work.name,
        kernel.median_ms(),
        ours.median_ms(),
        work.limit
    );
    if let Some((theirs, ours)) = extents {
        row.push_str(&format!(
            "\n| … extents that result | {theirs} | {ours} | {:.2} | 1 | |",
            ours / theirs
        ));
    }
    Ok(row)
}

/// The wasip1 build beside the host build, and what starting it costs.
fn wasm(lab: &Lab, options: &Options) -> Result<(), String> {
    lab.precompile()?;
    println!("\n| work | host ms | wasmtime ms | ratio | at most | peak MiB |");
    println!("|---|---|---|---|---|---|");
    let chosen = |work: &&Work| options.only.as_ref().is_none_or(|word| work.name.contains(word.as_str()));
    for work in works::all().iter().filter(chosen) {
        let (mut host, mut wasm) = (Vec::new(), Vec::new());
        let rounds: Result<(), String> = (0..options.runs).try_for_each(|_| {
            ready(lab, work)?;
            host.push(lab.timed(|| (work.ours)(lab, Runner::Host))?);
            ready(lab, work)?;
            wasm.push(lab.timed(|| (work.ours)(lab, Runner::Wasm))?);
            Ok(())
        });
        if let Err(error) = rounds {
            println!("| {} | failed: {} | | | 2.5 | |", work.name, brief(&error));
            continue;
        }
        ready(lab, work)?;
        let peak = lab.peak_mib(|lab| (work.ours)(lab, Runner::Wasm))?;
        let (host, wasm) = (Sample::new(host).median_ms(), Sample::new(wasm).median_ms());
        println!("| {} | {host:.0} | {wasm:.0} | {:.2} | 2.5 | {peak:.0} |", work.name, wasm / host);
    }
    let start = Sample::take(options.runs.max(9), || {
        lab.timed(|| lab.run(&mut lab.xfskit(Runner::Wasm, &["--version"])))
    })?;
    println!("\nstart-up of the precompiled module: {:.1} ms, of at most 30", start.median_ms());
    Ok(())
}

/// A fresh copy of the work's image, with the page cache as the work wants it.
fn ready(lab: &Lab, work: &Work) -> Result<(), String> {
    match work.image {
        Some(image) => lab.restore(image)?,
        None => lab.remove_image()?,
    }
    match work.cache {
        Cache::Warm => lab.warm(),
        Cache::Cold => lab.drop_caches(),
    }
}

fn brief(error: &str) -> String {
    let line = error.lines().last().unwrap_or_default();
    line.chars().take(90).collect::<String>().replace('|', "/")
}
