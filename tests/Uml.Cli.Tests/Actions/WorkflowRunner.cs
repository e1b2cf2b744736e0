using System.Diagnostics;
using YamlDotNet.RepresentationModel;

namespace Uml.CI.Cli.Tests;

/// <summary>Runs the steps of a job and of the action as GitHub's runner does: its shells, environment files and expressions, and nothing of its services.</summary>
internal sealed class WorkflowRunner
{
    // A step may build something.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    private readonly Func<string, IEnumerable<string>, IReadOnlyDictionary<string, string?>, string, Process> _start;
    private readonly Dictionary<string, string> _environment = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StepResult> _steps = new(StringComparer.Ordinal);
    private readonly List<string> _path = [];
    private int _files;

    /// <summary>Makes a job with a workspace of its own below a directory.</summary>
    public WorkflowRunner(string directory, Func<string, IEnumerable<string>, IReadOnlyDictionary<string, string?>, string, Process> start)
    {
        _start = start;
        Workspace = Directory.CreateDirectory(Path.Combine(directory, "work", "repository")).FullName;
        Temporary = Directory.CreateDirectory(Path.Combine(directory, "work", "_temp")).FullName;
    }

    /// <summary>The directory of the action, and of the workflows.</summary>
    public static string Repository { get; } = Path.Combine(AppContext.BaseDirectory, "repository");

    /// <summary>Where the action is checked out.</summary>
    public string ActionDirectory { get; init; } = Repository;

    /// <summary>What the repository's cache holds, a directory for each key; null where there is none.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Where programs are looked for that no step has put on the path.</summary>
    public string SearchPath { get; init; } = Environment.GetEnvironmentVariable("PATH") ?? "";

    /// <summary>Variables of every step.</summary>
    public IDictionary<string, string> Variables => _environment;

    public string Workspace { get; }

    public string Temporary { get; }

    /// <summary>Steps of other actions, which have no meaning here.</summary>
    public List<string> Skipped { get; } = [];

    /// <summary>Inputs that every use of the action gets on top.</summary>
    public Dictionary<string, string> Given { get; } = new(StringComparer.Ordinal);

    public static YamlMappingNode Load(string file)
    {
        var yaml = new YamlStream();
        using var reader = new StreamReader(Path.Combine(Repository, file));
        yaml.Load(reader);
        return (YamlMappingNode)yaml.Documents[0].RootNode;
    }

    /// <summary>Runs the action with some inputs.</summary>
    public async Task<StepResult> UseActionAsync(IReadOnlyDictionary<string, string> inputs, string name = "action")
    {
        YamlMappingNode action = Load("action.yml");
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((YamlNode input, YamlNode description) in (YamlMappingNode)action["inputs"])
            values[Text(input)] = Text(((YamlMappingNode)description)["default"]);
        foreach ((string input, string value) in inputs.Concat(Given))
        {
            Assert.True(values.ContainsKey(input), $"the action has no input \"{input}\"");
            values[input] = value;
        }

        var steps = new Dictionary<string, StepResult>(StringComparer.Ordinal);
        string Context(string text) => text.Split('.') switch
        {
            ["inputs", var input] => values.TryGetValue(input, out string? value) ? value : throw new NotSupportedException(text),
            ["github", "action_path"] => ActionDirectory,
            ["steps", var step, "outputs", var output] => steps.GetValueOrDefault(step)?.Outputs.GetValueOrDefault(output) ?? "",
            _ => throw new NotSupportedException(text),
        };
        var log = new RunnerLog();
        bool failed = false;
        int exit = 0;
        string summary = "";
        (string Path, string Entry)? saved = null;
        foreach (YamlMappingNode step in ((YamlSequenceNode)((YamlMappingNode)action["runs"])["steps"]).Cast<YamlMappingNode>())
        {
            if (!RunnerExpression.Condition(Optional(step, "if"), Context, failed))
                continue;
            if (Optional(step, "uses") is { } uses)
            {
                if (CacheDirectory is not null && uses.StartsWith("actions/cache@", StringComparison.Ordinal))
                {
                    string Input(string input) => RunnerExpression.Expand(Text(((YamlMappingNode)step["with"])[input]), Context, failed);
                    saved = (Input("path"), Path.Combine(CacheDirectory, Input("key")));
                    Assert.DoesNotContain('/', Input("key"));
                    if (Directory.Exists(saved.Value.Entry))
                        await CopyAsync(saved.Value.Entry, saved.Value.Path);
                }
                else
                {
                    Skipped.Add(uses);
                }

                continue;
            }

            StepResult result = await RunAsync(step, t => RunnerExpression.Expand(t, Context, failed), log, new Dictionary<string, string?> { ["GITHUB_ACTION_PATH"] = ActionDirectory });
            if (Optional(step, "id") is { } id)
                steps[id] = result;
            summary += result.Summary;
            if (result.ExitCode != 0 && !failed)
            {
                failed = true;
                exit = result.ExitCode!.Value;
            }
        }

        // The cache's own last step; the real one saves only what a job that went well has left, this one whatever there is.
        if (saved is { } made && !Directory.Exists(made.Entry) && Directory.Exists(made.Path))
            await CopyAsync(made.Path, made.Entry);

        Dictionary<string, string> outputs = ((YamlMappingNode)action["outputs"]).ToDictionary(
            o => Text(o.Key), o => RunnerExpression.Expand(Text(((YamlMappingNode)o.Value)["value"]), Context, failed), StringComparer.Ordinal);
        return new StepResult(name, exit, log, outputs, summary);
    }

    /// <summary>Runs the steps of a workflow's job.</summary>
    /// <param name="file">The workflow.</param>
    /// <param name="job">The job.</param>
    /// <param name="replace">What a step's script is instead; null to leave it out.</param>
    public async Task<IReadOnlyList<StepResult>> RunJobAsync(string file, string job, Func<string, string?>? replace = null)
    {
        List<StepResult> results = [];
        bool failed = false;
        string Context(string text) => text.Split('.') switch
        {
            ["steps", var step, "outputs", var output] => _steps.GetValueOrDefault(step)?.Outputs.GetValueOrDefault(output) ?? "",
            ["steps", var step, "outcome"] => _steps.TryGetValue(step, out StepResult? result) ? result.ExitCode == 0 ? "success" : "failure" : "skipped",
            ["vars" or "secrets", _] => "",
            _ => throw new NotSupportedException(text),
        };
        var workflow = (YamlMappingNode)Load(file)["jobs"];
        if (((YamlMappingNode)workflow[job]).Children.TryGetValue("env", out YamlNode? variables))
        {
            foreach ((YamlNode name, YamlNode value) in (YamlMappingNode)variables)
                _environment[Text(name)] = RunnerExpression.Expand(Text(value), Context, failed);
        }

        foreach (YamlMappingNode step in ((YamlSequenceNode)((YamlMappingNode)workflow[job])["steps"]).Cast<YamlMappingNode>())
        {
            string name = Optional(step, "name") ?? Optional(step, "uses") ?? "";
            if (!RunnerExpression.Condition(Optional(step, "if"), Context, failed))
                continue;
            StepResult result;
            if (Optional(step, "uses") is { } uses)
            {
                if (uses is not "./" && !uses.StartsWith("OWNER/", StringComparison.Ordinal))
                {
                    Skipped.Add(uses);
                    continue;
                }

                result = await UseActionAsync(step.Children.TryGetValue("with", out YamlNode? with) ? ((YamlMappingNode)with).ToDictionary(w => Text(w.Key), w => RunnerExpression.Expand(Text(w.Value), Context, failed), StringComparer.Ordinal) : [], name);
            }
            else
            {
                string? script = replace is null ? Text(step["run"]) : replace(Text(step["run"]));
                if (script is null)
                    continue;
                step.Children["run"] = script;
                result = await RunAsync(step, t => RunnerExpression.Expand(t, Context, failed), new RunnerLog(), new Dictionary<string, string?>());
            }

            if (Optional(step, "id") is { } id)
                _steps[id] = result;
            results.Add(result);
            failed |= result.ExitCode != 0 && Optional(step, "continue-on-error") != "true";
        }

        return results;
    }

    // Times and links are kept, as by the archive of the real one.
    private static async Task CopyAsync(string from, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        using var copy = Process.Start("cp", ["-a", "-T", from, to]);
        await copy.WaitForExitAsync();
        Assert.Equal(0, copy.ExitCode);
    }

    /// <summary>Runs a script as a step with a shell.</summary>
    public Task<StepResult> RunScriptAsync(string shell, string script)
    {
        var step = new YamlMappingNode { { "name", "script" }, { "shell", shell }, { "run", script } };
        return RunAsync(step, t => t, new RunnerLog(), new Dictionary<string, string?>());
    }

    private async Task<StepResult> RunAsync(YamlMappingNode step, Func<string, string> expand, RunnerLog log, Dictionary<string, string?> environment)
    {
        string number = (++_files).ToString(System.Globalization.CultureInfo.InvariantCulture);
        string commands = Directory.CreateDirectory(Path.Combine(Temporary, "_runner_file_commands")).FullName;
        string File(string name)
        {
            string file = Path.Combine(commands, $"{name}_{number}");
            System.IO.File.WriteAllText(file, "");
            return file;
        }

        foreach ((string name, string value) in _environment)
            environment.TryAdd(name, value);
        (string output, string variables, string path, string summary) = (File("set_output"), File("set_env"), File("add_path"), File("step_summary"));
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)[
            ("GITHUB_OUTPUT", output), ("GITHUB_ENV", variables), ("GITHUB_PATH", path), ("GITHUB_STEP_SUMMARY", summary), ("GITHUB_STATE", File("save_state")),
            ("GITHUB_WORKSPACE", Workspace), ("RUNNER_TEMP", Temporary), ("GITHUB_ACTIONS", "true"), ("CI", "true"), ("RUNNER_OS", "Linux"), ("GITHUB_TOKEN", "secret-token")])
            environment[name] = value;
        if (step.Children.TryGetValue("env", out YamlNode? own))
        {
            foreach ((YamlNode name, YamlNode value) in (YamlMappingNode)own)
                environment[Text(name)] = expand(Text(value));
        }

        string search = string.Join(':', [.. Enumerable.Reverse(_path), .. SearchPath.Split(':')]);
        environment["PATH"] = search;
        string script = Path.Combine(Temporary, $"{Guid.NewGuid()}.sh");
        System.IO.File.WriteAllText(script, expand(Text(step["run"])) + "\n");

        // The runner's templates for shells it knows (ScriptHandlerHelpers.cs).
        string[] shell = (Optional(step, "shell") switch
        {
            null => "bash -e {0}",
            "bash" => "bash --noprofile --norc -eo pipefail {0}",
            "sh" => "sh -e {0}",
            { } custom => custom,
        }).Split(' ');
        string program = search.Split(':').Select(d => Path.Combine(d, shell[0])).FirstOrDefault(System.IO.File.Exists) ?? throw new FileNotFoundException(shell[0]);
        using Process process = _start(program, shell[1..].Select(a => a.Replace("{0}", script, StringComparison.Ordinal)), environment, Workspace);
        Run run = await ToolTests.EndAsync(process, null, s_patience);

        // The runner reads both; nobody knows in which order.
        log.Add(run.Output);
        log.Add(run.Error);
        System.IO.File.Delete(script);
        foreach ((string name, string value) in ReadFile(variables))
            _environment[name] = value;
        _path.AddRange(System.IO.File.ReadAllLines(path));
        return new StepResult(Optional(step, "name") ?? "", run.ExitCode, log, ReadFile(output), System.IO.File.ReadAllText(summary));
    }

    // name=value, or name<<WORD, lines, WORD (actions/runner, FileCommandManager.cs).
    private static Dictionary<string, string> ReadFile(string file)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        using var lines = new StringReader(File.ReadAllText(file));
        while (lines.ReadLine() is { } line)
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            int document = line.IndexOf("<<", StringComparison.Ordinal);
            if (document >= 0 && (equals < 0 || document < equals))
            {
                List<string> value = [];
                while (lines.ReadLine() is var next && next != line[(document + 2)..])
                    value.Add(next ?? throw new InvalidDataException($"{file} has no end of {line}"));
                values[line[..document]] = string.Join('\n', value);
            }
            else if (line.Length > 0)
            {
                values[line[..equals]] = line[(equals + 1)..];
            }
        }

        return values;
    }

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value ?? "";

    private static string? Optional(YamlMappingNode node, string key) => node.Children.TryGetValue(key, out YamlNode? value) ? Text(value) : null;
}
