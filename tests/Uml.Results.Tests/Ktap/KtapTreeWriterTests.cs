namespace Uml.CI.Tests;

public sealed class KtapTreeWriterTests
{
    [Fact]
    public void The_kernels_own_logs_come_back_as_they_were()
    {
        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        foreach (string tree in KernelTrees.All)
        {
            foreach (string log in Directory.EnumerateFiles(Path.Combine(tree, "tools/testing/kunit/test_data"), "*.log"))
            {
                KtapTest tree1 = KtapParser.ParseFile(log).Root;
                if (tree1.Subtests.IsEmpty)
                    continue;
                string written = KtapTreeWriter.Write(tree1);
                KtapTest tree2 = KtapParser.Parse(written).Root;
                Assert.True(tree1.Equals(tree2), $"{log}:\n{written}\n---\n{KtapTreeWriter.Write(tree2)}");
            }
        }
    }

    [Fact]
    public void A_tree_is_written_as_kernel_people_know_it()
    {
        KtapTest root = new()
        {
            IsSuite = true,
            Plan = 2,
            Outcome = KtapOutcome.Failed,
            Subtests =
            [
                new KtapTest
                {
                    Name = "suite", Number = 1, IsSuite = true, Plan = 2, Outcome = KtapOutcome.Crashed,
                    Attributes = KtapTest.EmptyAttributes.Add("module", "example"),
                    Log = [new KtapLogLine(true, "suite: pass:1 fail:1 skip:0 total:2")],
                    Subtests =
                    [
                        new KtapTest { Name = "a # b", Number = 1, IsOk = true, Outcome = KtapOutcome.Passed, Duration = TimeSpan.FromMilliseconds(250) },
                        new KtapTest
                        {
                            Name = "b", Number = 2, Outcome = KtapOutcome.Crashed, Directive = KtapDirective.Crashed, Reason = "Kernel panic",
                            Log = [new KtapLogLine(true, "b: going"), new KtapLogLine(false, "[    1.000000] BUG: x"), new KtapLogLine(false, "ok 1 looks like a result")],
                        },
                    ],
                },
                new KtapTest { Name = "- odd", Number = 2, IsOk = true, Outcome = KtapOutcome.Skipped, Directive = KtapDirective.Skip, Reason = "no device" },
            ],
        };
        string text = KtapTreeWriter.Write(root);
        Assert.Equal(
            """
            KTAP version 1
            1..2
              KTAP version 1
              # Subtest: suite
              1..2
              # a # b.duration: 0.25s
              ok 1 a \# b
              # b: going
            [    1.000000] BUG: x
            \ok\ 1 looks like a result
              not ok 2 b # CRASHED Kernel panic
            # suite: pass:1 fail:1 skip:0 total:2
            # suite.module: example
            not ok 1 suite
            ok 2 - - odd # SKIP no device

            """.ReplaceLineEndings("\n"), text);
        KtapResults read = KtapParser.Parse(text);
        Assert.Empty(read.Complaints);
        Assert.Equal(text, KtapTreeWriter.Write(read.Root));
        Assert.Equal(KtapOutcome.Crashed, read.Root.Subtests[0].Outcome);
        Assert.Equal(root.Subtests[0].Subtests[0], read.Root.Subtests[0].Subtests[0]);
        Assert.Equal(root.Subtests[1], read.Root.Subtests[1]);
    }
}
