namespace Uml.CI.Cli.Tests;

/// <summary>Which file and line of a repository a line of output means.</summary>
public sealed class SourceMentionTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("mentions ü ").FullName;

    public SourceMentionTests()
    {
        foreach (string file in (string[])["repository/src/main.c", "repository/src/my file.c", "repository/src/größe.c", "repository/tests/Calculator.cs", "repository/my.c", "repository/linux/kernel/fork.c", "repository/.git/config.c", "outside/src/main.c"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_directory, file))!);
            File.WriteAllText(Path.Combine(_directory, file), "\n");
        }
    }

    private string Root => Path.Combine(_directory, "repository");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("src/main.c:3:12: error: 'x' undeclared", "src/main.c", 3, "'x' undeclared")]
    [InlineData("  src/my file.c:3: fatal error: no such file", "src/my file.c", 3, "no such file")]
    [InlineData("src/größe.c:3:1: warning: odd", "src/größe.c", 3, "odd")]
    [InlineData("\u001b[01m\u001b[Ksrc/main.c:3:12:\u001b[m\u001b[K \u001b[01;31m\u001b[Kerror: \u001b[mno", "src/main.c", 3, "no")]
    [InlineData("src/main.c:12: Failure", "src/main.c", 12, "Failure")]
    [InlineData("check: my.c:12: main: Assertion `x == 1' failed.", "my.c", 12, "main: Assertion `x == 1' failed.")]
    [InlineData("my.c:12: main: Assertion `a::b' failed.", "my.c", 12, "main: Assertion `a::b' failed.")]
    [InlineData("check: src/my file.c:12: main: Assertion `0' failed.", "src/my file.c", 12, "main: Assertion `0' failed.")]
    [InlineData("Assertion failed: x == 1 (src/größe.c: main: 12)", "src/größe.c", 12, "Assertion failed: x == 1")]
    [InlineData("thread 'main' (77) panicked at src/main.c:3:5:", "src/main.c", 3, "thread 'main' (77) panicked")]
    [InlineData("    # example_test: EXPECTATION FAILED at src/main.c:29", "src/main.c", 29, "example_test: EXPECTATION FAILED")]
    [InlineData("[    0.110000]     # example_test: ASSERTION FAILED at src/my file.c:29", "src/my file.c", 29, "example_test: ASSERTION FAILED")]
    [InlineData("<6>[    0.110000][    T1] # t: EXPECTATION FAILED at src/main.c:29", "src/main.c", 29, "t: EXPECTATION FAILED")]
    [InlineData("# src/main.c:58:global.sizes:Expected 1 (1) == 2 (2)", "src/main.c", 58, "global.sizes:Expected 1 (1) == 2 (2)")]
    [InlineData("tests/Calculator.cs(12,5): error CS0103: no such name [/x/y.csproj]", "tests/Calculator.cs", 12, "CS0103: no such name [/x/y.csproj]")]
    [InlineData("/usr/include/stdio.h:3: error: not ours", null, 0, "")]
    [InlineData("12:30:45: error: the time", null, 0, "")]
    [InlineData("src/main.c:0: error: no line", null, 0, "")]
    [InlineData("src/main.c:99999999999: error: no number", null, 0, "")]
    [InlineData("src/main.c:3: note: declared here", null, 0, "")]
    public void A_line_of_output(string line, string? file, int number, string message)
    {
        var mentions = new OutputMentions(new SourceTree(Root, Root));
        mentions.Add(line);
        if (file is null)
        {
            Assert.Empty(mentions.Found);
            return;
        }

        (SourceMention mention, string found) = Assert.Single(mentions.Found);
        Assert.Equal((file, number, message), (found, mention.Line, mention.Message));
    }

    [Fact]
    public void Of_a_stack_trace_the_innermost_frame_of_the_repository_with_what_the_exception_says()
    {
        var mentions = new OutputMentions(new SourceTree(Root, Root));
        string[] lines =
        [
            "starting", "", "Unhandled exception. System.DivideByZeroException: Attempted to divide by zero.",
            "   at System.Int32.Divide(Int32 x)",
            "   at Library.Helper.Do() in /outside/Helper.cs:line 4",
            $"   at Calculator.Divide(Int32& in) in {Root}/tests/Calculator.cs:line 17",
            $"   at Calculator.Main() in {Root}/tests/Calculator.cs:line 3",
            "done", "failed Calculator.Adds (12ms)", "  Assert.Equal() Failure: Values differ", "  Expected: 1", "  Actual:   2",
            "    at Calculator.Adds() in /_/tests/Calculator.cs:21",
        ];
        foreach (string line in lines)
            mentions.Add(line);
        Assert.Equal(
            [
                ("tests/Calculator.cs", 17, "Unhandled exception. System.DivideByZeroException: Attempted to divide by zero."),
                ("tests/Calculator.cs", 21, "done\nfailed Calculator.Adds (12ms)\nAssert.Equal() Failure: Values differ\nExpected: 1\nActual:   2"),
            ],
            mentions.Found.Select(f => (f.File, f.Mention.Line, f.Mention.Message)));
    }

    [Theory]
    [InlineData("   at A.B() in ROOT/src/my file.c:line 7", "src/my file.c", 7)]
    [InlineData("WARNING: CPU: 0 PID: 31 at kernel/fork.c:2034 copy_process+0x12/0x34", "linux/kernel/fork.c", 2034)]
    [InlineData("WARNING: ../linux/kernel/fork.c:7 at copy_process+0x12/0x34, CPU#0: sh/31", "linux/kernel/fork.c", 7)]
    [InlineData("kernel BUG at /home/somebody/tree/src/main.c:88!", "src/main.c", 88)]
    [InlineData("src/my file.c:7: what was wrong", "src/my file.c", 7)]
    [InlineData("Expectation (src/größe.c:7) was not met", "src/größe.c", 7)]
    [InlineData("    # t: EXPECTATION FAILED at src/my file.c:7", "src/my file.c", 7)]
    [InlineData("see main.c:7", null, 0)]
    public void A_line_of_a_failure(string line, string? file, int number)
    {
        var sources = new SourceTree(Root, Root, Path.Combine(Root, "linux"));
        (string? File, int Line) found = SourceMentions.InFailure("first\n" + line.Replace("ROOT", Root, StringComparison.Ordinal)).Select(m => (File: sources.Find(m.File), m.Line)).FirstOrDefault(m => m.File is not null);
        Assert.Equal((file, number), found);
    }

    [Theory]
    [InlineData("ROOT/src/main.c", "src/main.c")]
    [InlineData("ROOT/build/../src/main.c", "src/main.c")]
    [InlineData("/_/src/main.c", "src/main.c")]
    [InlineData("../build/src/main.c", "src/main.c")]
    [InlineData("../outside/src/main.c", null)]
    [InlineData("ROOT/build/src/main.c", null)]
    [InlineData("ROOT/../outside/src/main.c", null)]
    [InlineData("ROOT/.git/config.c", null)]
    [InlineData("/etc/passwd", null)]
    [InlineData("main.c", null)]
    [InlineData("src", null)]
    [InlineData("", null)]
    public void A_path(string path, string? file) =>
        Assert.Equal(file, new SourceTree(Root, Path.Combine(Root, "tests")).Find(path.Replace("ROOT", Root, StringComparison.Ordinal)));

    [Fact]
    public void A_long_line_takes_no_longer_than_it_should()
    {
        var mentions = new OutputMentions(new SourceTree(Root, Root));
        foreach (string part in (string[])["a", " ", ":", "a:1", " at in ", "a.b", "(", "# ", "/", "\u001b[", "Assertion failed: ", "::", "at a in :1"])
        {
            string line = string.Concat(Enumerable.Repeat(part, 4096 / part.Length));
            mentions.Add(line);
            Assert.All(SourceMentions.InFailure(line), m => Assert.True(m.Line > 0));
        }

        Assert.Empty(mentions.Found);
    }

    [Fact]
    public void What_a_guest_said_is_no_command_in_a_line_or_an_annotation()
    {
        var log = new RunnerLog();
        log.Add(WorkflowCommands.Line("::add-mask::x") + "\n");
        log.Add(WorkflowCommands.Line("release ##[add-mask]x\r::set-output name=a::b\n::error::c") + "\n");
        log.Add(WorkflowCommands.Annotate(new Annotation(AnnotationLevel.Error, "a\n::b,file=x::\u001b[31m" + new string('x', 300), "text ##[add-mask]x\r\n::error::c 100%0A", "a,b:c.c", 3)) + "\n");
        (string name, Dictionary<string, string> properties, string text) = Assert.Single(log.Commands);
        Assert.Equal(("error", "a,b:c.c", "3"), (name, properties["file"], properties["line"]));
        Assert.Equal("text ##[add-mask]x\n::error::c 100%0A", text);
        Assert.StartsWith("a ::b,file=x::xxx", properties["title"], StringComparison.Ordinal);
        Assert.Equal(255, properties["title"].Length);
    }
}
