using System.Diagnostics;

namespace Uml.CI.Profiles.Tests;

/// <summary>A kernel whose unit tests pass, fail, skip, crash and hang, planted into a tree: from its configuration to what is told of each.</summary>
public sealed class PlantedTests(Kernels kernels)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tests_that_fail_crash_or_hang_are_told_as_what_they_are_and_the_others_run()
    {
        if (!Kernels.All)
            Assert.Skip("a kernel with planted tests is built only with UML_TEST_PROFILES=all: it takes some minutes");
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("uml-planted-");
        try
        {
            KunitResult result = await KunitRun.RunAsync(
                new KunitOptions
                {
                    Guest = new GuestOptions { Kernel = (await BuildAsync(Path.Combine(scratch.FullName, "linux"))).Reference, Memory = KunitOptions.DefaultMemory },
                    FilterGlob = "planted*",
                    TestTimeout = TimeSpan.FromSeconds(15),
                },
                cancellationToken: Cancel);
            Assert.False(result.IsSuccess);
            Assert.Equal(
                [
                    "planted_first.planted_passes Passed", "planted_first.planted_fails Failed", "planted_first.planted_skips Skipped",
                    "planted_crash.planted_passes Passed", "planted_crash.planted_crashes Crashed", "planted_crash.planted_skips Skipped",
                    "planted_spin.planted_passes Passed", "planted_spin.planted_spins TimedOut", "planted_spin.planted_skips Skipped",
                    "planted_sleep.planted_passes Passed", "planted_sleep.planted_sleeps TimedOut", "planted_sleep.planted_skips Skipped",
                    "planted_warning.planted_warns Passed",
                    "planted_last.planted_passes Passed", "planted_last.planted_skips Skipped",
                ],
                result.Root.Subtests.SelectMany(s => s.Subtests.Select(t => $"{s.Name}.{t.Name} {t.Outcome}")));
            Assert.Equal(
                ["planted_crash.planted_crashes", "planted_sleep.planted_sleeps", "planted_spin.planted_spins"],
                result.Boots.Select(b => b.Culprit?.ToString()).OfType<string>().Order(StringComparer.Ordinal));

            // The planted file is where it happened.
            string[] source = await File.ReadAllLinesAsync(Planted, Cancel);
            ReportTest failed = KtapReport.TestsOf(result.Root).Single(t => t.Path[^1] == "planted_fails");
            Assert.Equal("lib/kunit/kunit-example-test.c", failed.SourceFile);
            Assert.Contains("1 + 1", source[failed.SourceLine!.Value - 1], StringComparison.Ordinal);

            // A test can pass and yet have made the kernel complain.
            KunitBoot warned = result.Boots.Single(b => b.LogText.Any(l => l.Contains("planted warning", StringComparison.Ordinal)));
            ComplaintVerdict verdict = await ComplaintGate.Open([]).JudgeAsync(warned.LogText, result.Kernel, warned.TestOf, warned.IsOfCulprit, Cancel);
            KernelComplaint complaint = Assert.Single(verdict.Complaints, c => !warned.IsOfCulprit(c));
            Assert.Equal((KernelComplaintKind.Warning, "planted_warning.planted_warns"), (complaint.Kind, complaint.Test));
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    private static string Planted => Path.Combine(AppContext.BaseDirectory, "planted-tests.c");

    private async Task<BuiltKernel> BuildAsync(string tree)
    {
        await kernels.Store.WithSourceAsync(
            KernelReference.Parse(Kernels.Fast), null, async (source, _) =>
            {
                using Process copy = Process.Start("cp", ["-rs", source, tree]);
                await copy.WaitForExitAsync(Cancel);
                return copy.ExitCode == 0 ? 0 : throw new IOException("the kernel's tree could not be copied");
            },
            Cancel);
        string place = Path.Combine(tree, "lib/kunit/kunit-example-test.c");
        File.Delete(place);
        File.Copy(Planted, place);
        return await kernels.Store.BuildAsync(
            KernelReference.Parse($"source:{tree}#fast"),
            new KernelBuildOptions
            {
                FromDefaults = true,
                SourceFragments = ["tools/testing/kunit/configs/arch_uml.config"],
                Settings = ["CONFIG_KUNIT=y", "CONFIG_KUNIT_EXAMPLE_TEST=y"],
                NoDebugInformation = true,

                // Nothing is to be kept of a tree that will not be seen again.
                Force = true,
            },
            Cancel);
    }
}
