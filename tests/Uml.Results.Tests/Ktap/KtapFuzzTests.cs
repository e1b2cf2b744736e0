using System.Text;

namespace Uml.CI.Tests;

/// <summary>
/// Logs nobody meant: mutated ones, endless ones, deep ones. UML_TEST_FUZZ says how many mutants to try (a few thousand by
/// default, a million once in a while), UML_TEST_FUZZ_SEED where to begin; a failure names the seed of its mutant.
/// </summary>
public sealed class KtapFuzzTests
{
    // Characters and suites visited per character of input, at most: what the parser's design allows for. Depth is bounded,
    // and so is what one line can make it look at.
    private const int WorkPerCharacter = 16;
    private const int SlackPerLine = 256;

    private static readonly string[] Seeds =
    [
        "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: one\n    # module: m\n    1..2\n    # a.speed: slow\n    ok 1 a\n    # b: EXPECTATION FAILED at lib/x.c:3\n    not ok 2 b\n# one: pass:1 fail:1 skip:0 total:2\nnot ok 1 one\n    KTAP version 1\n    # Subtest: two\n    1..1\n        KTAP version 1\n        # Subtest: p\n        ok 1 x\n        ok 2 y # SKIP no\n    ok 1 p\nok 2 two\n",
        "TAP version 13\n1..3\n# selftests: size: get_size\n# TAP version 13\n# 1..1\n# ok 1 size\n# # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\nok 1 selftests: size: get_size\n# selftests: x: y\n# 1..0 # SKIP root\nok 2 selftests: x: y # SKIP\n# selftests: x: z\n# not ok 1 z # error none\n# Bail out! gone\nnot ok 3 selftests: x: z # TIMEOUT 45 seconds\n# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0\n",
        "[    0.060000][    T1] KTAP version 1\n[    0.060000][    T1] 1..3\n[    0.070000][    T1] waiting.ok 1 a_b\n[    0.080000][    T1] ok 2 b[    0.090000] noise\n[    0.091000][    T1] not ok 1 # stray\n[    0.100000][    T1] not ok 3 c # XFAIL known\n[    0.110000][    T1] Kernel panic - not syncing: VFS: none\n[    0.000000] Linux version 7.3\nkunit executor: failed\n",
    ];

    private static readonly string[] Fragments =
    [
        "KTAP version 1\n", "KTAP version 2\n", "TAP version 13\n", "1..3\n", "1..0 # SKIP\n", "1..99999999\n", "ok 1 a\n", "not ok 2 b\n", "ok 2\n", "not ok\n", "ok - x\n",
        "# ", "    ", "\t", "# Subtest: s\n", "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\n", "Bail out! x\n", "[    1.000000] ", "<6>", "# SKIP", " # TODO ",
        "Kernel panic - not syncing: x\n", "Linux version 9\n", "\r", "\r\n", "\0", "\uFEFF", "\u2028", "# :ktap_test: n\n", "# s: pass:1 fail:0 skip:0 total:1\n", "# selftests: a: b\n", "\\#", "[",
    ];

    private static int Count => int.TryParse(Environment.GetEnvironmentVariable("UML_TEST_FUZZ"), out int count) ? count : 5_000;

    private static int FirstSeed => int.TryParse(Environment.GetEnvironmentVariable("UML_TEST_FUZZ_SEED"), out int seed) ? seed : 1;

    [Fact]
    public void Mutants_of_logs_are_read_in_linear_time()
    {
        string[] corpus = Corpus();
        Parallel.For(FirstSeed, FirstSeed + Count, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = TestContext.Current.CancellationToken }, seed =>
        {
            string mutant = Mutate(new Random(seed), corpus);
            Check(mutant, $"seed {seed}");
        });
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        string[] corpus = Corpus();
        int same = 0;
        int tried = Count;
        for (int seed = FirstSeed; seed < FirstSeed + tried; seed++)
        {
            KtapResults first = KtapParser.Parse(Mutate(new Random(seed), corpus));
            string written = KtapTreeWriter.Write(first.Root);
            KtapResults second = KtapParser.Parse(written);
            if (first.Root.Equals(second.Root))
                same++;

            // What was well-formed must come back whole, unless lines of its log had to be quoted; a bad run stays one.
            if (first.Complaints.Length == 0 && !HasSkippedPlan(first.Root) && !written.Contains('\\', StringComparison.Ordinal))
                Assert.True(first.Root.Equals(second.Root), $"seed {seed}:\n{written}\n---\n{KtapTreeWriter.Write(second.Root)}");
            Assert.True(first.IsSuccess || !second.IsSuccess, $"seed {seed}: a failure got lost\n{written}");
        }

        // Many mutants hold what has no place in a tree; how many depends on the logs there are. Far fewer would mean that little was tried.
        Assert.True(same > tried / 3, $"only {same} of {tried} trees came back as they were");
    }

    [Theory]
    [InlineData("ok 1 ok 1 ok 1 ")]
    [InlineData("[    1.0000")]
    [InlineData("# ")]
    [InlineData("#")]
    [InlineData(" # SKI")]
    [InlineData("x # SKIP ")]
    [InlineData("not ")]
    [InlineData("TAP version ")]
    [InlineData(" ")]
    [InlineData("\r")]
    [InlineData("pass:1 ")]
    [InlineData("# a: pass:1 ")]
    public void Endless_lines_are_read_in_linear_time(string piece)
    {
        StringBuilder log = new("KTAP version 1\n1..3\n");
        while (log.Length < 1_000_000)
            log.Append(piece);
        Check(log.ToString(), piece);
    }

    [Theory]
    [InlineData("ok 1 a\n")]
    [InlineData("ok 1\n")]
    [InlineData("not ok 1\n")]
    [InlineData("KTAP version 1\n")]
    [InlineData("KTAP version 1\n1..2\n")]
    [InlineData("# Subtest: x\n")]
    [InlineData("1..2\n")]
    [InlineData("  1..2\n")]
    [InlineData("  ok 1 a\nok 1 b\n")]
    [InlineData("  ok 1 a\n  ok 2 b\n  ok 1 c\n")]
    [InlineData("ok 1\nok 2\n")]
    [InlineData("# x: y\n")]
    [InlineData("# selftests: x\n# 1..1\n")]
    [InlineData("Linux version 1\n")]
    [InlineData("Kernel panic - not syncing\n")]
    [InlineData("noise\n")]
    [InlineData("Bail out!\n")]
    [InlineData("# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\n")]
    [InlineData("\n")]
    [InlineData("x KTAP version 1\n")]
    [InlineData("x ok 1 y\n")]
    public void Endless_repetition_is_read_in_linear_time(string lines)
    {
        foreach (string start in (string[])["", "KTAP version 1\n1..3\n", "KTAP version 1\n", "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n"])
        {
            StringBuilder log = new(start);
            while (log.Length < 300_000)
                log.Append(lines);
            Check(log.ToString(), start + lines);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Nesting_a_hundred_thousand_deep_is_read(int step)
    {
        // Deeper and deeper, wide enough only as far as a line may be long.
        StringBuilder log = new();
        for (int depth = 0; depth < 100_000; depth++)
            log.Append(' ', Math.Min(depth * step, 300)).Append("KTAP version 1\n");
        log.Append(' ', 300).Append("not ok 1 innermost\n");
        KtapResults results = Check(log.ToString(), "deep");
        Assert.False(results.IsSuccess);
        Assert.Contains(results.Complaints, complaint => complaint.Kind == KtapComplaintKind.TooDeep);

        StringBuilder marks = new("TAP version 13\n");
        for (int depth = 1; depth < 1_000; depth++)
            marks.Append(string.Concat(Enumerable.Repeat("# ", depth))).Append("TAP version 13\n");
        Check(marks.ToString(), "marks");
    }

    private static KtapResults Check(string log, string what)
    {
        KtapParser parser = new();
        KtapResults results;
        try
        {
            parser.Push(log);
            results = parser.Complete();
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"{what}: {exception.Message}\n{(log.Length < 10_000 ? log : "")}", exception);
        }

        long allowed = ((long)log.Length * WorkPerCharacter) + ((results.Lines + 1) * SlackPerLine) + 100_000;
        Assert.True(parser.Work <= allowed, $"{what}: {parser.Work} steps for {log.Length} characters in {results.Lines} lines");
        int depth = Depth(results.Root);
        Assert.True(depth <= 66, $"{what}: {depth} levels");

        // A count that does not add up, or a good run with a bad test in it, would be a lie.
        KtapCounts counts = results.Root.Counts;
        Assert.True(counts.Bad == 0 || !results.IsSuccess, $"{what}: {counts} and a success");
        return results;
    }

    // A suite that skips all its tests may have announced them.
    private static bool HasSkippedPlan(KtapTest test) =>
        (test.Outcome == KtapOutcome.Skipped && test.Plan > test.Subtests.Length) || test.Subtests.Any(HasSkippedPlan);

    private static int Depth(KtapTest test)
    {
        int deepest = 0;
        foreach (KtapTest subtest in test.Subtests)
            deepest = Math.Max(deepest, Depth(subtest));
        return deepest + 1;
    }

    private static string[] Corpus()
    {
        IEnumerable<string> logs = KernelTrees.All.Take(1)
            .SelectMany(tree => Directory.EnumerateFiles(Path.Combine(tree, "tools/testing/kunit/test_data"), "*.log").Order(StringComparer.Ordinal))
            .Select(File.ReadAllText)
            .Select(text => text.Length > 3_000 ? text[^3_000..] : text);
        return [.. Seeds, .. logs];
    }

    private static string Mutate(Random random, string[] corpus)
    {
        StringBuilder text = new(corpus[random.Next(corpus.Length)]);
        int mutations = random.Next(1, 12);
        for (int mutation = 0; mutation < mutations; mutation++)
        {
            int at = random.Next(text.Length + 1);
            int length = Math.Min(random.Next(1, 60), text.Length - at);
            switch (random.Next(10))
            {
                case 0 when text.Length > 0:
                    text[Math.Min(at, text.Length - 1)] ^= (char)(1 << random.Next(8));
                    break;
                case 1:
                    text.Remove(at, length);
                    break;
                case 2:
                    text.Insert(at, text.ToString(at, length));
                    break;
                case 3:
                    text.Length = at;
                    break;
                case 4:
                    text.Insert(at, (char)random.Next(0x10000));
                    break;
                case 5:
                    text.Insert(at, Fragments[random.Next(Fragments.Length)]);
                    break;
                case 6:
                    Interleave(random, text, corpus[random.Next(corpus.Length)]);
                    break;
                case 7:
                    DropLine(random, text);
                    break;
                case 8:
                    text.Insert(at, new string("x #[\tok 1"[random.Next(9)], random.Next(1, 200)));
                    break;
                default:
                    IndentLine(random, text);
                    break;
            }
        }

        return text.ToString();
    }

    private static void Interleave(Random random, StringBuilder text, string other)
    {
        string[] mine = text.ToString().Split('\n');
        string[] theirs = other.Split('\n');
        text.Clear();
        for (int a = 0, b = 0; a < mine.Length || b < theirs.Length;)
        {
            bool first = b >= theirs.Length || (a < mine.Length && random.Next(3) > 0);
            text.Append(first ? mine[a++] : theirs[b++]).Append(random.Next(30) == 0 ? "" : "\n");
            if (text.Length > 8_000)
                break;
        }
    }

    private static void DropLine(Random random, StringBuilder text)
    {
        List<string> lines = [.. text.ToString().Split('\n')];
        lines.RemoveAt(random.Next(lines.Count));
        text.Clear().AppendJoin('\n', lines);
    }

    private static void IndentLine(Random random, StringBuilder text)
    {
        string[] lines = text.ToString().Split('\n');
        int at = random.Next(lines.Length);
        lines[at] = random.Next(2) == 0 ? lines[at].TrimStart() : new string(' ', random.Next(12)) + lines[at];
        text.Clear().AppendJoin('\n', lines);
    }
}
