using System.Text.RegularExpressions;

namespace Uml.CI.Cli.Tests;

/// <summary>The action's steps and those of the samples, run as GitHub runs them, with real guests.</summary>
public sealed class ActionTests : ToolTests
{
    private WorkflowRunner Runner
    {
        get
        {
            if (field is not null)
                return field;
            field = new WorkflowRunner(Directory, (program, arguments, environment, directory) => StartProgram(program, arguments, environment, directory));
            field.Given["tool"] = Uml;
            return field;
        }
    }

    [Fact]
    public async Task A_command_that_passes()
    {
        StepResult step = await UseAsync(("run", "uname -r\necho kept > result.txt\n"), ("artifacts", "result.txt"));
        Assert.True(step.ExitCode == 0, step.ToString());
        Assert.Equal(("passed", "0"), (step.Outputs["status"], step.Outputs["exit-code"]));
        Assert.StartsWith("7.", step.Outputs["kernel-release"], StringComparison.Ordinal);
        Assert.Contains(step.Outputs["kernel-release"], step.Log.Lines);
        Assert.Empty(step.Log.Errors);
        Assert.False(step.Log.IsStopped);
        Assert.Contains("Linux debian:sid", step.Log.Commands.Where(c => c.Name == "group").Select(c => c.Text));
        Assert.Contains("✅", step.Summary, StringComparison.Ordinal);
        Assert.Contains("debian:sid", step.Summary, StringComparison.Ordinal);

        // What the guest wrote stays there, unless it was asked for.
        Assert.False(File.Exists(Path.Combine(Runner.Workspace, "result.txt")));
        Assert.Equal("kept\n", File.ReadAllText(Path.Combine(step.Outputs["results"], "debian-sid/result.txt")));
        Assert.Contains("Linux version", File.ReadAllText(step.Outputs["kernel-logs"]), StringComparison.Ordinal);
        Assert.All(step.Outputs["reports"].Split('\n'), r => Assert.True(File.Exists(r), r));
        Assert.Empty(System.IO.Directory.EnumerateFiles(Runner.Temporary, "*.sh"));
    }

    [Fact]
    public async Task A_command_that_fails()
    {
        StepResult step = await UseAsync(("run", "echo first\nfalse | true\necho second\n"));
        Assert.Equal(("1", "failed"), (step.Outputs["exit-code"], step.Outputs["status"]));
        Assert.Equal(1, step.ExitCode);
        Assert.DoesNotContain("second", step.Log.Lines);
        Assert.Equal("the command ended with status 1\n(debian:sid)", Assert.Single(step.Log.Errors).Text);
        Assert.Contains("❌", step.Summary, StringComparison.Ordinal);

        StepResult other = await UseAsync(("run", "exit 42"));
        Assert.Equal((42, "42"), (other.ExitCode, other.Outputs["exit-code"]));

        StepResult late = await UseAsync(("run", "sleep 60"), ("timeout", "1s"));
        Assert.Equal((124, "timeout"), (late.ExitCode, late.Outputs["status"]));
        Assert.Contains("did not end within 1 s", Assert.Single(late.Log.Errors).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_of_a_compiler_is_shown_at_its_line()
    {
        Write("src/main.c", "int main(void)\n{\n    return x;\n}\n");
        StepResult step = await UseAsync(("run", "echo 'src/main.c:3:12: error: x undeclared' >&2; echo '/usr/include/other.h:9: error: not ours'; echo 'src/main.c:1:1: warning: odd'; exit 1"));
        Assert.Equal(1, step.ExitCode);
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal(("src/main.c", "3"), (place["file"], place["line"]));
        Assert.StartsWith("x undeclared", text, StringComparison.Ordinal);
        Assert.Equal("1", Assert.Single(step.Log.Commands, c => c.Name == "warning").Properties["line"]);
    }

    [Fact]
    public async Task A_test_that_failed_fails_the_step_and_is_shown_at_its_line()
    {
        Write("tests/Calculator.cs", string.Concat(Enumerable.Repeat("//\n", 30)));
        Write("junit.xml", $"""
            <testsuites><testsuite name="s" tests="2" failures="1"><testcase classname="Calculator" name="adds" time="0.1"/>
            <testcase classname="Calculator" name="divides" time="0.1"><failure message="0 is not 1">   at Calculator.divides() in {Runner.Workspace}/tests/Calculator.cs:line 17</failure></testcase></testsuite></testsuites>
            """);
        StepResult step = await UseAsync(("run", "cp junit.xml out.xml"), ("report", "out.xml"));
        Assert.Equal((1, "failed", "0"), (step.ExitCode!.Value, step.Outputs["status"], step.Outputs["exit-code"]));
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal(("tests/Calculator.cs", "17"), (place["file"], place["line"]));
        Assert.Contains("divides", place["title"], StringComparison.Ordinal);
        Assert.StartsWith("0 is not 1", text, StringComparison.Ordinal);
        Assert.Contains("divides", step.Summary, StringComparison.Ordinal);

        StepResult missing = await UseAsync(("run", "true"), ("report", "none.xml"));
        Assert.NotEqual(0, missing.ExitCode);
        Assert.Equal("copy-out-failed", missing.Outputs["status"]);
    }

    [Fact]
    public async Task A_kernel_that_complained_is_shown_at_its_line()
    {
        Write("src/driver.c", string.Concat(Enumerable.Repeat("//\n", 10)));
        const string Warn = """
            for line in '------------[ cut here ]------------' 'WARNING: src/driver.c:7 at probe+0x10/0x20, CPU#0: sh/1' 'Call Trace:' ' probe+0x10/0x20' '---[ end trace 0000000000000000 ]---'; do
                echo "<4>$line" > /dev/kmsg
            done
            """;
        StepResult step = await UseAsync(("run", Warn));
        Assert.Equal((122, "kernel-complained", "0"), (step.ExitCode!.Value, step.Outputs["status"], step.Outputs["exit-code"]));
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal(("src/driver.c", "7"), (place["file"], place["line"]));
        Assert.Contains("probe+0x10/0x20", text, StringComparison.Ordinal);

        StepResult tolerated = await UseAsync(("run", Warn), ("complaints", "warn"));
        Assert.Equal((0, "passed"), (tolerated.ExitCode, tolerated.Outputs["status"]));
        Assert.Empty(tolerated.Log.Errors);
        Assert.Equal("7", Assert.Single(tolerated.Log.Commands, c => c.Name == "warning").Properties["line"]);

        Write("ci/allow", "title: WARNING: src/driver.c:7*\nreason: the hardware does that\nexpires: 2999-12-31\n");
        StepResult allowed = await UseAsync(("run", Warn), ("allow", "ci/allow"));
        Assert.Equal((0, "passed"), (allowed.ExitCode, allowed.Outputs["status"]));
        Assert.DoesNotContain(allowed.Log.Commands, c => c.Name is "error" or "warning");
        Assert.Contains("allowed: the hardware does that", allowed.Summary, StringComparison.Ordinal);

        Write("ci/allow", "title: WARNING: src/driver.c:7*\nreason: the hardware does that\nexpires: 2026-01-31\n");
        StepResult expired = await UseAsync(("run", Warn), ("allow", "ci/allow"));
        Assert.Equal((122, "kernel-complained"), (expired.ExitCode, expired.Outputs["status"]));
        Assert.Equal("7", Assert.Single(expired.Log.Errors).Properties["line"]);
    }

    [Fact]
    public async Task A_program_that_fails_is_shown_at_its_line_whatever_the_file_is_called()
    {
        Write("my tests/größe.c", "#include <assert.h>\nint main(void)\n{\n    assert(sizeof(long) == 4);\n}\n");
        Write("elsewhere/src/main.c", "#include <assert.h>\nint main(void)\n{\n    assert(0);\n}\n");
        Write("src/main.c", "\n\n\n\n\n");
        StepResult step = await UseAsync(("run", "gcc -o /tmp/check 'my tests/größe.c' && /tmp/check"));
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal((134, "my tests/größe.c", "4"), (step.ExitCode!.Value, place["file"], place["line"]));
        Assert.StartsWith("main: Assertion `sizeof(long) == 4' failed.", text, StringComparison.Ordinal);

        // A file of the machine is no file of the repository, though their paths end alike.
        System.IO.Directory.Move(Path.Combine(Runner.Workspace, "elsewhere"), this["elsewhere"]);
        StepResult other = await UseAsync(("run", $"gcc -o /tmp/check '{this["elsewhere/src/main.c"]}' && /tmp/check"));
        (place, text) = Assert.Single(other.Log.Errors);
        Assert.False(place.ContainsKey("file"));
        Assert.StartsWith("the command ended with status 134", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reports_without_tests_are_failures_and_those_of_one_name_are_all_read()
    {
        Write("empty.xml", "<testsuites><testsuite name=\"s\" tests=\"0\"/></testsuites>");
        Write("good.ktap", "KTAP version 1\n1..1\nok 1 good\n");
        Write("bad.ktap", "KTAP version 1\n1..1\n# bad: EXPECTATION FAILED at lib/a.c:2\nnot ok 1 bad ##[add-mask]uml\n");
        Write("lib/a.c", "\n\n\n");
        StepResult empty = await UseAsync(("run", "cp empty.xml out.xml"), ("report", "out.xml"));
        Assert.Equal((1, "failed"), (empty.ExitCode, empty.Outputs["status"]));
        Assert.StartsWith("no test was run, says the report \"out.xml\"", Assert.Single(empty.Log.Errors).Text, StringComparison.Ordinal);

        StepResult two = await UseAsync(("run", "mkdir -p a b; cp bad.ktap a/results.ktap; cp good.ktap b/results.ktap"), ("report", "a/results.ktap\nb/results.ktap"));
        Assert.Equal((1, "failed"), (two.ExitCode, two.Outputs["status"]));
        Assert.Equal(["results.ktap", "2-results.ktap"], two.Outputs["reports"].Split('\n').Take(2).Select(Path.GetFileName));
        (Dictionary<string, string> place, _) = Assert.Single(two.Log.Errors);
        Assert.Equal(("lib/a.c", "2"), (place["file"], place["line"]));
        Assert.DoesNotContain(two.Log.Commands, c => c.Name == "add-mask");
        Assert.Contains("1 failed, 1 passed", two.Log.Text, StringComparison.Ordinal);

        StepResult directory = await UseAsync(("run", "mkdir -p results/deep; cp good.ktap results/deep/; cp bad.ktap results/; ln -s /etc/passwd results/passwd.xml"), ("report", "results/"));
        Assert.Equal((1, "failed"), (directory.ExitCode, directory.Outputs["status"]));
        Assert.Contains("1 failed, 1 passed", directory.Log.Text, StringComparison.Ordinal);

        StepResult none = await UseAsync(("run", "mkdir results; touch $'results/::error::x\\n::error::y.xml' results/notes.txt"), ("report", "results"));
        Assert.Equal((1, "failed"), (none.ExitCode, none.Outputs["status"]));
        Assert.Single(none.Log.Errors);
    }

    [Fact]
    public async Task A_guest_that_does_not_boot_or_panics_is_told()
    {
        StepResult boot = await UseAsync(("run", "true"), ("boot-timeout", "10ms"));
        Assert.Equal((124, "boot-timeout"), (boot.ExitCode, boot.Outputs["status"]));
        Assert.Single(boot.Log.Errors);
        StepResult panic = await UseAsync(("run", "echo c > /proc/sysrq-trigger; sleep 30"));
        Assert.Equal((123, "panic"), (panic.ExitCode, panic.Outputs["status"]));
        Assert.NotEmpty(panic.Log.Errors);
        Assert.Contains("sysrq", panic.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_gives_the_runner_no_commands()
    {
        const string Hostile = """
            echo "::error file=src/x.c,line=1::from the guest"; echo "::add-mask::debian"; echo "##[error]old style"; echo "anywhere ##[add-mask]debian"
            echo "<6>::error::in the kernel's log ##[add-mask]debian" > /dev/kmsg
            printf '\033[31m::error::in colour\033[m\n\033]0;title\007::error::after a title\n'
            printf ' ::warning::indented\n\r::notice::after a carriage return\n' >&2
            echo "::endgroup::"; echo "::stop-commands::mine"; echo "::mine::"; echo "::error::after mine"
            # The word may be in no place that the guest can read.
            { env; cat /proc/self/environ /proc/*/environ /proc/*/cmdline /proc/cmdline; cat "$RUNNER_TEMP"/* "$RUNNER_TEMP"/*/*; } 2>/dev/null | tr '\0' '\n' | grep -aoE '[0-9a-f]{32}' | sort -u | while read -r word; do echo "::$word::"; done || true
            echo "::error::after words"; env | grep -E 'GITHUB_OUTPUT|GITHUB_ENV|GITHUB_TOKEN|secret-token|INPUT_|ACTIONS_' || true
            printf '::error::at the end without a line feed'
            exit 3
            """;
        Write("src/x.c", "\n");
        StepResult step = await UseAsync(("run", Hostile));
        Assert.True(step.ExitCode == 3, step.ToString());
        Assert.Contains("::error::at the end without a line feed", step.Log.Lines);
        Assert.DoesNotContain(step.Log.Commands, c => c.Name is "add-mask" or "notice" or "warning" or "mine");
        Assert.Equal("the command ended with status 3\n(debian:sid)", Assert.Single(step.Log.Errors).Text);
        Assert.DoesNotContain("secret-token", step.Log.Text, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?m)^(GITHUB_OUTPUT|GITHUB_ENV|GITHUB_TOKEN|INPUT_|ACTIONS_)", step.Log.Text);
        Assert.Equal(step.Log.Commands.Count(c => c.Name == "group"), step.Log.Commands.Count(c => c.Name == "endgroup"));
        string[] tokens = [.. step.Log.Commands.Where(c => c.Name == "stop-commands").Select(c => c.Text)];
        Assert.Equal(tokens.Length, tokens.Distinct().Count());
        Assert.All(tokens, t => Assert.Matches("^[0-9a-f]{32}$", t));
    }

    [Fact]
    public async Task Several_kernels_fail_each_for_itself()
    {
        Write("src/main.c", "\n\n\n");
        StepResult step = await UseAsync(("kernel", "debian:sid, debian:bookworm"), ("run", "uname -r; echo 'src/main.c:2: error: broken'; case $(uname -r) in 6.*) exit 5;; esac"));
        Assert.Equal((5, "5"), (step.ExitCode, step.Outputs["exit-code"]));
        string[] releases = step.Outputs["kernel-release"].Split('\n');
        Assert.Equal(2, releases.Distinct().Count());
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal("2", place["line"]);
        Assert.Equal("broken\n(debian:bookworm)", text);

        StepResult both = await UseAsync(("kernel", "debian:sid\ndebian:bookworm"), ("run", "for i in $(seq 30); do echo \"src/main.c:$i: error: number $i\"; done; exit 1"));
        (Dictionary<string, string> Properties, string Text)[] errors = [.. both.Log.Errors];
        Assert.Equal(10, errors.Length);
        Assert.Equal("number 1\n(debian:sid, debian:bookworm)", errors[0].Text);
        Assert.StartsWith("21 more are in the job's summary", errors[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_stays_for_later_steps()
    {
        StepResult start = await UseAsync();
        Assert.True(start.ExitCode == 0, start.ToString());
        Assert.Equal("running", start.Outputs["status"]);
        try
        {
            StepResult step = await Runner.RunScriptAsync("uml-sh {0}", """
                echo "release=$(uname -r)" >> "$GITHUB_OUTPUT"
                echo "GREETING=from the guest" >> "$GITHUB_ENV"
                echo "# In the guest" >> "$GITHUB_STEP_SUMMARY"
                echo built > "$GITHUB_WORKSPACE/built"
                echo "::error::not for the runner ##[add-mask]uml" >&2
                printf '\r::error::nor without a line feed' >&2
                """);
            Assert.True(step.ExitCode == 0, step.ToString());
            Assert.Equal(start.Outputs["kernel-release"], step.Outputs["release"]);
            Assert.Equal("# In the guest\n", step.Summary);
            Assert.Equal("built\n", File.ReadAllText(Path.Combine(Runner.Workspace, "built")));
            Assert.Equal("stop-commands", Assert.Single(step.Log.Commands).Name);
            Assert.False(step.Log.IsStopped);

            StepResult next = await Runner.RunScriptAsync("uml-sh {0}", "echo \"$GREETING\"\ncat built\nfalse\necho not reached");
            Assert.Equal(1, next.ExitCode);
            Assert.Equal(["from the guest", "built"], next.Log.Lines.Where(l => l.Length > 0 && !l.StartsWith("::", StringComparison.Ordinal)));
        }
        finally
        {
            StepResult stop = await Runner.RunScriptAsync("bash", "uml guest stop --all");
            Assert.Equal(0, stop.ExitCode);
        }
    }

    [Theory]
    [InlineData("kernel", "debian:", "the input \"kernel\": ")]
    [InlineData("annotate", "yes", "the input \"annotate\" is \"yes\": write true or false")]
    [InlineData("workspace", "write", "the input \"workspace\" is \"write\": write cow or rw or ro")]
    [InlineData("kernel", "/no/such/kernel", "/no/such/kernel")]
    [InlineData("allow", "no/such/file", "the input \"allow\": the allow list \"")]
    [InlineData("output", ".", "the input \"output\" is \".\"")]
    [InlineData("output", "../..", "the input \"output\" is \"../..\"")]
    [InlineData("artifacts", "a/log\nb/log", "the input \"artifacts\": \"b/log\" would overwrite another \"log\"")]
    [InlineData("artifacts", "a/run.json", "the input \"artifacts\": \"a/run.json\" would overwrite another \"run.json\"")]
    public async Task A_wrong_input_is_named(string input, string value, string message)
    {
        StepResult step = await UseAsync((input, value), ("run", "true"));
        Assert.Equal(125, step.ExitCode);
        Assert.Contains(message, Assert.Single(step.Log.Errors).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sample_for_distributions()
    {
        Write("Makefile", "all:\n\techo 'echo hello 1.0' > hello && chmod +x hello\ninstall:\n\tmkdir -p $(DESTDIR)/usr/bin && cp hello $(DESTDIR)/usr/bin/hello\ncheck:\n\t./hello | grep -q hello\n");
        IReadOnlyList<StepResult> steps = await Runner.RunJobAsync("samples/workflows/distribution.yml", "kernels", WithoutPackages);
        Assert.All(steps, s => Assert.True(s.ExitCode == 0, s.ToString()));
        string said = steps[^1].Log.Text;
        Assert.StartsWith("passed on 6.1.", said, StringComparison.Ordinal);
        Assert.Equal("hello 1.0\n", File.ReadAllText(Path.Combine(Runner.Workspace, "uml-results/debian-sid/version.txt")));
    }

    [Fact]
    public async Task The_sample_for_dotnet_developers()
    {
        Write("Directory.Build.props", "<Project/>");
        Write("Directory.Build.targets", "<Project/>");
        Write("Directory.Packages.props", "<Project/>");
        Write("global.json", """{ "test": { "runner": "Microsoft.Testing.Platform" } }""");
        Write("My Tests/My.Tests.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework><OutputType>Exe</OutputType><UseMicrosoftTestingPlatformRunner>true</UseMicrosoftTestingPlatformRunner></PropertyGroup>
              <ItemGroup><PackageReference Include="xunit.v3" Version="3.2.2" /></ItemGroup>
            </Project>
            """);
        Write("My Tests/Größe.cs", """
            using Xunit;

            public class KernelTests
            {
                [Fact]
                public void Passes() { }

                [Fact]
                public void Fails_on_old_kernels() =>
                    Assert.NotInRange(System.Environment.OSVersion.Version.Major, 0, 6);
            }
            """);
        Write("all.slnx", """<Solution><Project Path="My Tests/My.Tests.csproj" /></Solution>""");
        IReadOnlyList<StepResult> steps = await Runner.RunJobAsync("samples/workflows/dotnet.yml", "test", WithoutPackages);
        Assert.Equal(2, steps.Count);
        Assert.True(steps[0].ExitCode == 0, steps[0].ToString());
        StepResult test = steps[1];
        Assert.True(test.ExitCode == 2, test.ToString());
        (Dictionary<string, string> place, string text) = Assert.Single(test.Log.Errors);
        Assert.Equal(("My Tests/Größe.cs", "10", "KernelTests.Fails_on_old_kernels"), (place["file"], place["line"], place["title"]));
        Assert.EndsWith("(debian:bookworm)", text, StringComparison.Ordinal);
        Assert.Contains("Fails_on_old_kernels", test.Summary, StringComparison.Ordinal);
        Assert.Matches(@"\n\| ❌ <code>debian:bookworm</code> \| <code>6\.[^|]*</code> \| 1 \| 1 \| \d+ \| [^|]* \|\n\| ✅ <code>debian:sid</code> \|", test.Summary);
        Assert.Equal(2, test.Outputs["reports"].Split('\n').Count(r => r.EndsWith(".trx", StringComparison.Ordinal)));
        Assert.Equal(["actions/checkout@v4", "actions/upload-artifact@v4"], Runner.Skipped);
    }

    [Fact]
    public async Task The_sample_for_kernel_developers()
    {
        // Its kernel takes an hour to build; any does for its steps.
        Runner.Given["kernel"] = "debian:sid";
        IReadOnlyList<StepResult> steps = await Runner.RunJobAsync("samples/workflows/kernel.yml", "boot", WithoutPackages);
        Assert.All(steps, s => Assert.True(s.ExitCode == 0, s.ToString()));
        Assert.Equal(4, steps.Count);
        Assert.Matches(new Regex("Linux uml 7\\."), steps[1].Log.Text);
        Assert.Contains("Linux version", File.ReadAllText(Path.Combine(Runner.Workspace, "kernel.log")), StringComparison.Ordinal);
    }

    // A test installs nothing on its machine.
    private static string? WithoutPackages(string script) => script.Contains("apt-get", StringComparison.Ordinal) ? null : script;

    private void Write(string file, string text)
    {
        string path = Path.Combine(Runner.Workspace, file);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private Task<StepResult> UseAsync(params (string Name, string Value)[] inputs) => Runner.UseActionAsync(inputs.ToDictionary(i => i.Name, i => i.Value, StringComparer.Ordinal));
}
