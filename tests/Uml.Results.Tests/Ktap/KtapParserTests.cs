using System.Collections.Immutable;
using System.Text;

namespace Uml.CI.Tests;

public sealed class KtapParserTests
{
    private static KtapResults Parse(string text)
    {
        KtapResults results = KtapParser.Parse(text);
        return results;
    }

    // "name:Outcome(sub:Outcome ...)": the shape of a tree.
    private static string Shape(KtapTest test) =>
        string.Join(' ', test.Subtests.Select(sub => $"{sub.DisplayName.Replace(' ', '_')}:{sub.Outcome}" + (sub.IsSuite ? $"({Shape(sub)})" : "")));

    private static KtapComplaintKind[] Kinds(KtapResults results) => [.. results.Complaints.Select(complaint => complaint.Kind)];

    [Fact]
    public void The_example_of_the_specification_is_read()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..1
              KTAP version 1
              1..3
                KTAP version 1
                1..1
                # test_1: initializing test_1
                ok 1 test_1
              ok 1 example_test_1
                KTAP version 1
                1..2
                ok 1 test_1 # SKIP test_1 skipped
                ok 2 test_2
              ok 2 example_test_2
                KTAP version 1
                1..3
                ok 1 test_1
                # test_2: FAIL
                not ok 2 test_2
                ok 3 test_3 # SKIP test_3 skipped
              not ok 3 example_test_3
            not ok 1 main_test
            """);
        Assert.Equal(
            "main_test:Failed(example_test_1:Passed(test_1:Passed) example_test_2:Passed(test_1:Skipped test_2:Passed) "
            + "example_test_3:Failed(test_1:Passed test_2:Failed test_3:Skipped))",
            Shape(results.Root));
        Assert.Empty(results.Complaints);
        Assert.False(results.IsSuccess);
        KtapTest[] third = [.. results.Root.Subtests[0].Subtests[2].Subtests];
        Assert.Equal(["test_2: FAIL"], third[1].Diagnostics);
        Assert.Equal("test_3 skipped", third[2].Reason);
        Assert.Equal(["test_1: initializing test_1"], results.Root.Subtests[0].Subtests[0].Subtests[0].Diagnostics);
        Assert.Equal(KtapCounts.None with { Passed = 3, Failed = 1, Skipped = 2 }, results.Root.Counts);
    }

    [Theory]
    [InlineData("ok 1 t", KtapOutcome.Passed, KtapDirective.None, "")]
    [InlineData("not ok 1 t", KtapOutcome.Failed, KtapDirective.None, "")]
    [InlineData("ok 1 - t", KtapOutcome.Passed, KtapDirective.None, "")]
    [InlineData("ok 1 t # SKIP no device", KtapOutcome.Skipped, KtapDirective.Skip, "no device")]
    [InlineData("not ok 1 t # skip no device", KtapOutcome.Skipped, KtapDirective.Skip, "no device")]
    [InlineData("ok 1 t # Skip", KtapOutcome.Skipped, KtapDirective.Skip, "")]
    [InlineData("ok 1 t #SKIP tight", KtapOutcome.Skipped, KtapDirective.Skip, "tight")]
    [InlineData("ok 1 t # SKIP: colon", KtapOutcome.Skipped, KtapDirective.Skip, "colon")]
    [InlineData("not ok 1 t # TODO later", KtapOutcome.ExpectedFailure, KtapDirective.Todo, "later")]
    [InlineData("ok 1 t # TODO done already", KtapOutcome.UnexpectedPass, KtapDirective.Todo, "done already")]
    [InlineData("ok 1 t # XFAIL known bug", KtapOutcome.ExpectedFailure, KtapDirective.XFail, "known bug")]
    [InlineData("not ok 1 t # xfail known bug", KtapOutcome.ExpectedFailure, KtapDirective.XFail, "known bug")]
    [InlineData("ok 1 t # XPASS", KtapOutcome.UnexpectedPass, KtapDirective.XPass, "")]
    [InlineData("not ok 1 t # TIMEOUT 45 seconds", KtapOutcome.TimedOut, KtapDirective.Timeout, "45 seconds")]
    [InlineData("not ok 1 t # error no memory", KtapOutcome.Error, KtapDirective.Error, "no memory")]
    [InlineData("ok 1 t # ERROR contradiction", KtapOutcome.Error, KtapDirective.Error, "contradiction")]
    [InlineData("ok 1 t # error rate 0 %", KtapOutcome.Passed, KtapDirective.None, "error rate 0 %")]
    [InlineData("not ok 1 t # exit=139", KtapOutcome.Failed, KtapDirective.None, "exit=139")]
    [InlineData("ok 1 t # rcode=0", KtapOutcome.Passed, KtapDirective.None, "rcode=0")]
    [InlineData("ok 1 t # SKIPPING is no directive", KtapOutcome.Passed, KtapDirective.None, "SKIPPING is no directive")]
    [InlineData("not ok 1 t #  ", KtapOutcome.Failed, KtapDirective.None, "")]
    [InlineData("not ok 1 t # CRASHED in flight", KtapOutcome.Crashed, KtapDirective.Crashed, "in flight")]
    public void Results_mean_what_they_say(string line, KtapOutcome outcome, KtapDirective directive, string reason)
    {
        KtapResults results = Parse("TAP version 13\n1..1\n" + line + "\n");
        KtapTest test = Assert.Single(results.Root.Subtests);
        Assert.Equal(("t", outcome, directive, reason), (test.Name, test.Outcome, test.Directive, test.Reason));
        Assert.Equal(line.StartsWith("ok", StringComparison.Ordinal), test.IsOk);
        Assert.Equal(3, test.Line);
    }

    [Theory]
    [InlineData("ok 1 a#b", "a#b")]
    [InlineData("ok 1 C# test", "C# test")]
    [InlineData("ok 1 test #3 of it", "test #3 of it")]
    [InlineData("ok 1 a \\# b", "a # b")]
    [InlineData("ok  1   spaced ", "spaced")]
    [InlineData("ok 1", "")]
    [InlineData("ok 1 -", "")]
    [InlineData("ok 1 - - b", "- b")]
    [InlineData("ok 1 größe", "größe")]
    public void Names_are_read(string line, string name) =>
        Assert.Equal(name, Assert.Single(Parse("KTAP version 1\n1..1\n" + line).Root.Subtests).Name);

    [Theory]
    [InlineData("okay 1 x")]
    [InlineData("ok 1x y")]
    [InlineData("ok then, 1 more")]
    [InlineData("not okay 1 x")]
    [InlineData("OK 1 x")]
    public void Prose_is_no_result(string line) => Assert.Empty(Parse("KTAP version 1\n" + line).Root.Subtests);

    [Theory]
    [InlineData("[    0.060000] ")]
    [InlineData("[    0.060000][    T1] ")]
    [InlineData("[    0.060000] [    C0] ")]
    [InlineData("<6>[    0.060000][  T123] ")]
    [InlineData("<6>")]
    [InlineData("[12345.678901] ")]
    [InlineData("6,123,456789,-;")]
    [InlineData("6,123,456789,-,caller=T1;")]
    [InlineData("Nov 21 18:33:48 host kernel: [    0.060000] ")]
    [InlineData("guest1: ")]
    [InlineData("   ")]
    public void What_printk_and_collectors_put_before_a_line_is_taken_off(string prefix)
    {
        string log = """
            KTAP version 1
            1..1
                KTAP version 1
                # Subtest: suite
                1..2
                # a: hello
                ok 1 a
            random: crng init done
                not ok 2 b
            not ok 1 suite
            """.ReplaceLineEndings("\n");
        string prefixed = string.Concat(log.Split('\n').Select(line => prefix + line + "\r\n"));
        KtapResults results = Parse("booting\n" + prefixed);
        Assert.Equal("suite:Failed(a:Passed b:Failed)", Shape(results.Root));
        Assert.Equal(["a: hello"], results.Root.Subtests[0].Subtests[0].Diagnostics);
        Assert.Equal([(prefix + "random: crng init done").TrimEnd()], results.Root.Subtests[0].Subtests[1].KernelLog);
        Assert.Empty(results.Complaints);
    }

    [Fact]
    public void Time_stamps_give_durations_and_printed_times_are_better()
    {
        KtapResults results = Parse("""
            [    1.000000] KTAP version 1
            [    1.000000] 1..1
            [    1.000000]     KTAP version 1
            [    1.000000]     # Subtest: suite
            [    1.250000]     1..2
            [    1.500000]     ok 1 a
            [    4.000000]     # b: Test should be marked slow (runtime: 2.250000000s)
            [    4.100000]     ok 2 b
            [    4.200000] ok 1 suite
            """);
        KtapTest suite = Assert.Single(results.Root.Subtests);
        Assert.Equal(TimeSpan.FromMilliseconds(3200), suite.Duration);
        Assert.Equal([TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(2250)], suite.Subtests.Select(test => test.Duration!.Value));
        Assert.Null(Parse("KTAP version 1\n1..1\nok 1 a").Root.Subtests[0].Duration);
    }

    [Fact]
    public void Attributes_belong_to_suites_and_tests()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..1
                KTAP version 1
                # Subtest: suite
                # module: example
                # speed: slow
                1..2
                # a.speed: very_slow
                # other: not an attribute
                ok 1 a
                # :ktap_test: b
                # :ktap_speed: fast
                ok 2 b
            # suite: pass:2 fail:0 skip:0 total:2
            # Totals: pass:2 fail:0 skip:0 total:2
            ok 1 suite
            """);
        KtapTest suite = Assert.Single(results.Root.Subtests);
        Assert.Equal([new("module", "example"), new("speed", "slow")], suite.Attributes);
        Assert.Equal([new("speed", "very_slow")], suite.Subtests[0].Attributes);
        Assert.Equal("fast", suite.Subtests[1].Attributes["speed"]);
        Assert.Equal(["other: not an attribute"], suite.Subtests[0].Diagnostics);
        Assert.Empty(results.Complaints);
    }

    [Fact]
    public void Version_2_names_its_suites_in_metadata()
    {
        KtapResults results = Parse("""
            KTAP version 2
            # :ktap_test: main
            # :ktap_arch: um
            1..1
              KTAP version 2
              # :ktap_test: suite
              # :ktap_module: example
              1..1
              ok 1 a
            ok 1 suite
            """);
        Assert.Equal("suite:Passed(a:Passed)", Shape(results.Root));
        Assert.Equal("example", results.Root.Subtests[0].Attributes["module"]);
        Assert.Empty(results.Complaints);
    }

    [Fact]
    public void A_result_after_other_text_in_its_line_is_found()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..5
            init_suite: doneok 1 glued_on
            look 2 things up
            waiting ... ok 2 after dots
            reading the book 3 times
            "ok 3 said"
            not ok 3 plain
            [   12.345678] usb 1-1: new device.not ok 4 stamped # exit=1
            ok 5 torn[   12.345999] random: crng init done
            """);
        Assert.Equal("glued_on:Passed after_dots:Passed plain:Failed stamped:Failed torn:Passed", Shape(results.Root));
        Assert.Equal(["init_suite: done"], results.Root.Subtests[0].KernelLog);
        Assert.Equal(["look 2 things up", "waiting ..."], results.Root.Subtests[1].KernelLog);
        Assert.Equal(["[   12.345678] usb 1-1: new device."], results.Root.Subtests[3].KernelLog);
        Assert.Equal("exit=1", results.Root.Subtests[3].Reason);
        Assert.Equal(["[   12.345999] random: crng init done"], results.Root.KernelLog);
        Assert.Equal(
            [KtapComplaintKind.ResultInMiddleOfLine, KtapComplaintKind.ResultInMiddleOfLine, KtapComplaintKind.ResultInMiddleOfLine, KtapComplaintKind.InterleavedLine],
            Kinds(results));
        Assert.Equal([3L, 5, 9, 10], results.Complaints.Select(complaint => complaint.Line));
    }

    [Fact]
    public void A_panic_crashes_the_test_that_ran_and_names_it()
    {
        KtapResults results = Parse("""
            [    0.060000] KTAP version 1
            [    0.060000] 1..3
            [    0.060000]     KTAP version 1
            [    0.060000]     # Subtest: suite
            [    0.060000]     1..3
            [    0.060000]     ok 1 a
            [    0.070000]     # b: initializing
            [    0.080000] Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60
            [    0.080000] CPU: 0 PID: 12 Comm: kunit_try_catch
            """);
        Assert.Equal("suite:Crashed(a:Passed b:Crashed test_3:NotRun) test_2:NotRun test_3:NotRun", Shape(results.Root));
        KtapTest crashed = results.Root.Subtests[0].Subtests[1];
        Assert.Equal("Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60", crashed.Reason);
        Assert.Equal(["b: initializing"], crashed.Diagnostics);
        Assert.Equal(2, crashed.KernelLog.Count());
        Assert.Equal(KtapOutcome.Crashed, results.Root.Outcome);
        Assert.Equal(
            [KtapComplaintKind.KernelPanic, KtapComplaintKind.MissingTests, KtapComplaintKind.MissingResult, KtapComplaintKind.MissingTests], Kinds(results));
        Assert.All(results.Complaints, complaint => Assert.True(complaint.IsError));
    }

    [Fact]
    public void A_run_the_caller_ended_timed_out_where_it_was()
    {
        KtapParser parser = new();
        parser.Push("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: suite\n    1..2\n    # slow: going\n");
        KtapResults results = parser.Complete(KtapOutcome.TimedOut, "no result within 30 s");
        Assert.Equal("suite:TimedOut(slow:TimedOut test_2:NotRun)", Shape(results.Root));
        Assert.Equal("no result within 30 s", results.Root.Subtests[0].Subtests[0].Reason);
        Assert.Same(results, parser.Complete());
    }

    [Fact]
    public void A_kernel_that_starts_again_does_not_go_on_with_the_old_tests()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..2
            ok 1 a
            [    0.000000] Linux version 7.3.0 (somebody@somewhere)
            KTAP version 1
            1..2
            ok 1 a
            ok 2 b
            """);
        Assert.Equal("a:Passed test_2:Crashed a:Passed b:Passed", Shape(results.Root));
        Assert.Contains(KtapComplaintKind.KernelRestarted, Kinds(results));
    }

    [Fact]
    public void Several_runs_in_one_log_are_all_read()
    {
        // Each module with tests that is loaded prints a document of its own; kunit.py reads the first only.
        const string Module = """
            KTAP version 1
            1..1
                KTAP version 1
                # Subtest: SUITE
                1..1
                RESULT 1 a
            RESULT 1 SUITE

            """;
        KtapResults results = Parse(
            Module.Replace("SUITE", "one", StringComparison.Ordinal).Replace("RESULT", "ok", StringComparison.Ordinal) + "[    1.000000] module two: loading\n"
            + Module.Replace("SUITE", "two", StringComparison.Ordinal).Replace("RESULT", "not ok", StringComparison.Ordinal));
        Assert.Equal("one:Passed(a:Passed) two:Failed(a:Failed)", Shape(results.Root));
        Assert.Equal(2, results.Root.Plan);
        Assert.Empty(results.Complaints);
    }

    [Fact]
    public void Without_indentation_the_plans_tell()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..2
            KTAP version 1
            # Subtest: one
            1..2
            ok 1 a
            KTAP version 1
            # Subtest: b
            ok 1 p
            ok 2 q
            ok 2 b
            ok 1 one
            KTAP version 1
            # Subtest: two
            1..1
            not ok 1 c
            not ok 2 two
            """);
        Assert.Equal("one:Passed(a:Passed b:Passed(p:Passed q:Passed)) two:Failed(c:Failed)", Shape(results.Root));
        Assert.DoesNotContain(results.Complaints, complaint => complaint.IsError);
    }

    [Fact]
    public void Subtests_without_a_header_are_known_by_their_indentation()
    {
        KtapResults results = Parse("""
            TAP version 14
            1..3
                ok 1 a
                ok 2 b
            ok 1 first
                1..1
                not ok 1 c
            not ok 2 second
                ok 1 d
                ok 2 e
            ok 3 third
            """);
        Assert.Equal("first:Passed(a:Passed b:Passed) second:Failed(c:Failed) third:Passed(d:Passed e:Passed)", Shape(results.Root));
        Assert.Equal([KtapComplaintKind.MissingHeader, KtapComplaintKind.MissingHeader, KtapComplaintKind.MissingHeader], Kinds(results));
    }

    [Fact]
    public void A_result_that_lost_its_indentation_stays_with_its_suite()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..1
                KTAP version 1
                # Subtest: suite
                1..3
                ok 1 a
            ok 2 b
                ok 3 c
                ok 1 suite
            """);
        Assert.Equal("suite:Passed(a:Passed b:Passed c:Passed)", Shape(results.Root));
        Assert.Equal([KtapComplaintKind.WrongIndentation, KtapComplaintKind.WrongIndentation], Kinds(results));
    }

    [Theory]
    [InlineData("KTAP version 1\n1..3\nok 1 a\nok 3 c\n", "a:Passed c:Passed test_2:NotRun", KtapComplaintKind.WrongNumber, KtapComplaintKind.MissingTests)]
    [InlineData("KTAP version 1\n1..2\nok 1 a\nnot ok 1 b\n", "a:Passed b:Failed", KtapComplaintKind.WrongNumber)]
    [InlineData("KTAP version 1\n1..1\nok 1 a\nnot ok 2 b\n", "a:Passed b:Failed", KtapComplaintKind.MoreTestsThanPlanned)]
    [InlineData("KTAP version 1\nok 1 a\nok 2 b\n1..2\n", "a:Passed b:Passed", KtapComplaintKind.LatePlan)]
    [InlineData("KTAP version 1\n1..2\n1..3\nok 1 a\nok 2 b\n", "a:Passed b:Passed", KtapComplaintKind.DuplicatePlan)]
    [InlineData("KTAP version 1\nok 1 a\n", "a:Passed", KtapComplaintKind.MissingPlan)]
    [InlineData("KTAP version 3\n1..1\nok 1 a\n", "a:Passed", KtapComplaintKind.UnknownVersion)]
    [InlineData("TAP version 12\n1..1\nok 1 a\n", "a:Passed", KtapComplaintKind.UnknownVersion)]
    [InlineData("1..2\nok 1 a\nnot ok 2 b\n", "a:Passed b:Failed", KtapComplaintKind.MissingVersion)]
    [InlineData("TAP version 13\n1..2\nok - a\nnot ok\n", "a:Passed test_2:Failed", KtapComplaintKind.MissingNumber, KtapComplaintKind.MissingNumber)]
    [InlineData("KTAP version 1\n1..0\n", "", KtapComplaintKind.EmptySuite)]
    [InlineData("nothing\nat all\n", "", KtapComplaintKind.NoResults)]
    [InlineData("", "", KtapComplaintKind.NoResults)]
    [InlineData("kunit executor: unknown action 'x'\n", "", KtapComplaintKind.ExecutorError, KtapComplaintKind.NoResults)]
    [InlineData("KTAP version 1\n1..2147483647\nok 1 a # SKIP x\nok 99999999999999999999 b\n", null, KtapComplaintKind.WrongNumber, KtapComplaintKind.MissingTests)]
    public void What_is_wrong_is_said(string log, string? shape, params KtapComplaintKind[] kinds)
    {
        KtapResults results = Parse(log);
        if (shape is not null)
            Assert.Equal(shape, Shape(results.Root));
        Assert.Equal(kinds, Kinds(results));
        if (results.Root.Subtests.Length == 0 || results.Root.Subtests.Any(test => test.Outcome.IsFailure()))
            Assert.False(results.IsSuccess);
    }

    [Fact]
    public void A_log_that_skips_everything_is_skipped()
    {
        KtapResults results = Parse("TAP version 13\n1..0 # SKIP no /dev/kvm\n");
        Assert.Equal((KtapOutcome.Skipped, "no /dev/kvm"), (results.Root.Outcome, results.Root.Reason));
        Assert.True(results.IsSuccess);
        Assert.Empty(results.Complaints);
    }

    [Fact]
    public void Bailing_out_fails_the_run_and_leaves_the_rest_unrun()
    {
        KtapResults results = Parse("TAP version 13\n1..3\nok 1 a\nBail out! no memory# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\n");
        Assert.Equal("a:Passed test_2:NotRun test_3:NotRun", Shape(results.Root));
        Assert.Equal("bailed out: no memory", results.Root.Subtests[1].Reason);
        Assert.False(results.IsSuccess);
        Assert.False(Parse("TAP version 13\n1..1\nok 1 a\nBail out!\n").IsSuccess);
    }

    [Fact]
    public void Nested_kselftests_are_read_behind_their_marks()
    {
        KtapResults results = Parse("""
            TAP version 13
            1..4
            # timeout set to 45
            # selftests: size: get_size
            # TAP version 13
            # # Testing system size.
            # 1..1
            # ok 1 get runtime memory use
            # # System runtime memory report (units in Kilobytes):
            # # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0
            ok 1 selftests: size: get_size
            # selftests: clone3: clone3
            # TAP version 13
            # 1..2
            # # [1] Trying clone3()
            [   12.000000] clone3[12]: segfault
            # ok 1 simple clone3()
            # not ok 2 clone3 # error no namespaces
            not ok 2 selftests: clone3: clone3 # exit=1
            # selftests: mqueue: mq_open
            # 1..0 # SKIP needs root
            ok 3 selftests: mqueue: mq_open # SKIP
            # selftests: timers: sleeper
            # TAP version 13
            # 1..2
            # ok 1 short
            #
            not ok 4 selftests: timers: sleeper # TIMEOUT 45 seconds
            # 1 skipped test(s) detected.  Consider enabling relevant config options to improve coverage.
            # Totals: pass:1 fail:2 xfail:0 xpass:0 skip:1 error:0
            """);
        Assert.Equal(
            "selftests:_size:_get_size:Passed(get_runtime_memory_use:Passed) "
            + "selftests:_clone3:_clone3:Failed(simple_clone3():Passed clone3:Error) "
            + "selftests:_mqueue:_mq_open:Skipped() "
            + "selftests:_timers:_sleeper:TimedOut(short:Passed test_2:TimedOut)",
            Shape(results.Root));
        Assert.Equal(["Testing system size."], results.Root.Subtests[0].Subtests[0].Diagnostics.Take(1).Concat(results.Root.Subtests[0].Diagnostics).Where(text => text.StartsWith("Testing", StringComparison.Ordinal)));
        Assert.Equal(["[   12.000000] clone3[12]: segfault"], results.Root.Subtests[1].Subtests[0].KernelLog);
        Assert.Equal([KtapComplaintKind.MissingTests], Kinds(results));
    }

    [Fact]
    public void A_nested_program_with_a_sloppy_plan_that_passed_did_pass()
    {
        KtapResults results = Parse("""
            TAP version 13
            1..1
            # selftests: x: y
            # TAP version 13
            # 1..3
            # ok 1 a
            ok 1 selftests: x: y
            """);
        Assert.Equal("selftests:_x:_y:Passed(a:Passed)", Shape(results.Root));
        Assert.Equal([KtapComplaintKind.MissingTests], Kinds(results));
    }

    [Fact]
    public void A_suite_does_not_pass_when_a_test_in_it_failed()
    {
        KtapResults results = Parse("KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nok 1 suite\n");
        Assert.Equal("suite:Failed(a:Failed)", Shape(results.Root));
        Assert.Equal([KtapComplaintKind.PassedDespiteFailures], Kinds(results));
        Assert.False(results.IsSuccess);
    }

    [Fact]
    public void Totals_that_know_of_more_failures_fail_the_suite()
    {
        KtapResults results = Parse("TAP version 13\n1..1\nok 1 a\n# Totals: pass:0 fail:1 xfail:0 xpass:0 skip:0 error:0\n");
        Assert.Equal([KtapComplaintKind.TotalsMismatch], Kinds(results));
        Assert.False(results.IsSuccess);
    }

    [Theory]
    [InlineData("not ok 1 # oops\n", "not ok 2 b\n", "a:Passed b:Failed", KtapComplaintKind.StrayResult)]
    [InlineData("not ok 1 # oops\n", "ok 2 b\n", "a:Passed test_1:Failed b:Passed", KtapComplaintKind.WrongNumber, KtapComplaintKind.MoreTestsThanPlanned)]
    [InlineData("not ok 1 # oops\n", "not ok 2 b # XFAIL known\n", "a:Passed test_1:Failed b:ExpectedFailure", KtapComplaintKind.WrongNumber, KtapComplaintKind.MoreTestsThanPlanned)]
    [InlineData("ok 1\n", "ok 2 b\n", "a:Passed b:Passed", KtapComplaintKind.StrayResult)]
    [InlineData("not ok 1 # oops\n", "", "a:Passed test_1:Failed", KtapComplaintKind.WrongNumber)]
    public void A_stray_result_is_dropped_only_if_no_failure_goes_with_it(string stray, string next, string shape, params KtapComplaintKind[] kinds)
    {
        KtapResults results = Parse("TAP version 13\n1..2\nok 1 a\n" + stray + next);
        Assert.Equal(shape, Shape(results.Root));
        Assert.Equal(kinds, Kinds(results));
    }

    [Fact]
    public void Suites_whose_result_never_came_are_crashed_or_lost()
    {
        KtapResults results = Parse("""
            KTAP version 1
            1..3
                KTAP version 1
                # Subtest: one
                1..2
                ok 1 a
                KTAP version 1
                # Subtest: two
                1..1
                ok 1 b
                KTAP version 1
                # Subtest: three
                1..1
                ok 1 c
            ok 3 three
            """);
        Assert.Equal("one:Crashed(a:Passed test_2:Crashed) two:Error(b:Passed) three:Passed(c:Passed)", Shape(results.Root));
        Assert.False(results.IsSuccess);
    }

    [Fact]
    public void Lines_depth_and_logs_are_bounded()
    {
        KtapParserOptions options = new() { MaxLineLength = 300, MaxDepth = 4, MaxLogLines = 10, MaxComplaints = 20 };
        StringBuilder log = new("KTAP version 1\n1..2\n");
        log.Append('x', 10_000).Append('\n');
        for (int line = 0; line < 100; line++)
            log.Append("noise\n");
        log.Append("ok 1 ").Append('n', 1_000).Append('\n');
        for (int depth = 1; depth < 50; depth++)
            log.Append(' ', depth * 2).Append("KTAP version 1\n");
        log.Append(' ', 200).Append("not ok 1 hidden\n").Append("ok 2 outer\n");
        for (int line = 0; line < 100; line++)
            log.Append("ok 7 again\n");

        KtapResults results = KtapParser.Parse(log.ToString(), options);
        Assert.Equal(295, results.Root.Subtests[0].Name.Length);
        Assert.Equal(10, results.Root.Subtests[0].Log.Length);
        Assert.Equal(21, results.Complaints.Length);
        Assert.Contains(KtapComplaintKind.TooDeep, Kinds(results));
        Assert.Contains(KtapComplaintKind.LineTooLong, Kinds(results));
        Assert.Contains(KtapComplaintKind.LogTooLong, Kinds(results));
        Assert.Equal(KtapComplaintKind.TooManyComplaints, results.Complaints[^1].Kind);

        // A failure among what was too deep to be read is not lost.
        Assert.Equal(("outer", KtapOutcome.Failed), (results.Root.Subtests[1].Name, results.Root.Subtests[1].Outcome is KtapOutcome.Failed or KtapOutcome.Crashed ? KtapOutcome.Failed : KtapOutcome.Passed));
    }

    [Fact]
    public void However_it_is_cut_it_reads_the_same()
    {
        const string Log = "[    1.000000] KTAP version 1\r\n1..2\r\nok 1 grün\r\n  KTAP version 1\n  1..1\n  ok 1 ☃\nok 2 b\n# Totals: x";
        KtapTest whole = KtapParser.Parse(Log).Root;
        byte[] bytes = Encoding.UTF8.GetBytes(Log);
        for (int size = 1; size < bytes.Length; size++)
        {
            KtapParser parser = new();
            for (int at = 0; at < bytes.Length; at += size)
                parser.Push(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
            Assert.Equal(whole, parser.Complete().Root);
        }

        KtapParser lines = new();
        foreach (string line in Log.Split('\n'))
            lines.PushLine(line);
        Assert.Equal(whole, lines.Complete().Root);
        Assert.Throws<InvalidOperationException>(() => lines.PushLine("more"));
    }

    [Fact]
    public void Observers_see_the_tree_grow()
    {
        Recorder recorder = new();
        KtapParser parser = new(null, recorder);
        parser.Push("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: suite\n    1..2\n    ok 1 a\n");
        Assert.Equal(["start  (?)", "start suite (?)", "start suite (2)", "end suite/a Passed"], recorder.Events);
        parser.Push("    not ok 2 b\nnot ok 1 suite\n");
        parser.Complete();
        Assert.Equal(["end suite/b Failed", "end suite Failed"], recorder.Events[4..]);
    }

    [Fact]
    public void Kselftest_harness_agrees_with_its_own_totals()
    {
        string? file = KernelTrees.All.Select(tree => Path.Combine(tree, "tools/testing/selftests/kselftest_harness/harness-selftest.expected")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(file is null, KernelTrees.Reason);
        KtapResults results = KtapParser.ParseFile(file);
        KtapCounts counts = results.Root.Counts;

        // "# Totals: pass:9 fail:7 xfail:1 xpass:1 skip:1 error:0"; kunit.py says passed 11, failed 7, skipped 1, errors 8.
        Assert.Equal(KtapCounts.None with { Passed = 9, Failed = 7, ExpectedFailures = 1, UnexpectedPasses = 1, Skipped = 1 }, counts);
        Assert.Equal([KtapComplaintKind.StrayResult], Kinds(results));
        Assert.Equal(19, results.Root.Subtests.Length);
    }

    private sealed class Recorder : IKtapObserver
    {
        public List<string> Events { get; } = [];

        public void Started(ImmutableArray<string> path, string name, int? plan) =>
            Events.Add($"start {string.Join('/', [.. path, name])} ({plan?.ToString() ?? "?"})");

        public void Finished(ImmutableArray<string> path, KtapTest test) => Events.Add($"end {string.Join('/', [.. path, test.Name])} {test.Outcome}");

        public void Complained(KtapComplaint complaint) => Events.Add($"complain {complaint.Kind}");
    }
}
