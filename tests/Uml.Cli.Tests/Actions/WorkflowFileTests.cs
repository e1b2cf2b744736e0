using YamlDotNet.RepresentationModel;

namespace Uml.CI.Cli.Tests;

/// <summary>What of the action and the workflows can be seen to be wrong without a run.</summary>
public sealed class WorkflowFileTests
{
    private static readonly string[] s_stepKeys = ["name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory", "continue-on-error", "timeout-minutes"];
    private static readonly string[] s_jobKeys = ["name", "strategy", "runs-on", "timeout-minutes", "env", "steps", "needs", "if", "environment", "permissions", "container"];
    private static readonly string[] s_workflowKeys = ["name", "on", "permissions", "concurrency", "env", "jobs"];

    public static IEnumerable<TheoryDataRow<string>> Workflows() =>
        ((string[])[".github/workflows", "samples/workflows"]).SelectMany(d => Directory.EnumerateFiles(Path.Combine(WorkflowRunner.Repository, d), "*.yml").Select(f => new TheoryDataRow<string>($"{d}/{Path.GetFileName(f)}")));

    [Theory]
    [MemberData(nameof(Workflows))]
    public void A_workflow_has_the_form_of_one(string file)
    {
        YamlMappingNode workflow = WorkflowRunner.Load(file);
        AssertKeys(workflow, s_workflowKeys, file);
        Assert.DoesNotContain("pull_request_target", workflow["on"].ToString(), StringComparison.Ordinal);
        Assert.Equal("read", workflow["permissions"]["contents"].ToString());
        Assert.All(["name", "on", "permissions", "jobs"], key => Assert.True(workflow.Children.ContainsKey(key), $"{file} has no {key}"));
        foreach ((YamlNode name, YamlNode node) in (YamlMappingNode)workflow["jobs"])
        {
            var job = (YamlMappingNode)node;
            AssertKeys(job, s_jobKeys, $"{file}, {name}");
            Assert.True(job.Children.ContainsKey("timeout-minutes"), $"{file}: the job {name} may run for six hours");
            // Secrets are for the one step that needs them, and for no code of a pull request.
            Assert.True(!job.Children.TryGetValue("env", out YamlNode? variables) || !variables.ToString().Contains("secrets.", StringComparison.Ordinal), $"{file}, {name}");
            Assert.True(!node.ToString().Contains("secrets.", StringComparison.Ordinal) || job.Children.ContainsKey("environment"), $"{file}, {name}: secrets without an environment that guards them");
            AssertSteps((YamlSequenceNode)job["steps"], $"{file}, {name}", composite: false);
        }
    }

    [Fact]
    public void The_action_has_the_form_of_one()
    {
        YamlMappingNode action = WorkflowRunner.Load("action.yml");
        AssertKeys(action, ["name", "description", "author", "branding", "inputs", "outputs", "runs"], "action.yml");
        foreach ((YamlNode name, YamlNode input) in (YamlMappingNode)action["inputs"])
            AssertKeys((YamlMappingNode)input, ["description", "default", "required"], name.ToString());
        Assert.All((YamlMappingNode)action["outputs"], o => AssertKeys((YamlMappingNode)o.Value, ["description", "value"], o.Key.ToString()));
        var runs = (YamlMappingNode)action["runs"];
        Assert.Equal("composite", runs["using"].ToString());
        AssertSteps((YamlSequenceNode)runs["steps"], "action.yml", composite: true);
    }

    [Fact]
    public void Every_input_is_used_and_documented()
    {
        string text = File.ReadAllText(Path.Combine(WorkflowRunner.Repository, "action.yml"));
        string document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "github.md"));
        foreach (string input in ((YamlMappingNode)WorkflowRunner.Load("action.yml")["inputs"]).Children.Keys.Select(k => k.ToString()))
        {
            Assert.Contains($"inputs.{input} ", text, StringComparison.Ordinal);
            Assert.Contains($"| `{input}` |", document, StringComparison.Ordinal);
        }

        foreach (string output in ((YamlMappingNode)WorkflowRunner.Load("action.yml")["outputs"]).Children.Keys.Select(k => k.ToString()))
            Assert.Contains($"| `{output}` |", document, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("README.md", 1)]
    [InlineData("github.md", 3)]
    public void Steps_in_documents_are_steps_and_give_inputs_there_are(string document, int number)
    {
        string[] inputs = [.. ((YamlMappingNode)WorkflowRunner.Load("action.yml")["inputs"]).Children.Keys.Select(k => k.ToString())];
        string[] blocks = [.. File.ReadAllText(Path.Combine(AppContext.BaseDirectory, document)).Split("```yaml\n").Skip(1).Select(b => b[..b.IndexOf("```", StringComparison.Ordinal)])];
        Assert.Equal(number, blocks.Length);
        foreach (string block in blocks)
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(block));
            var steps = (YamlSequenceNode)yaml.Documents[0].RootNode;
            AssertSteps(steps, document, composite: false);
            foreach (YamlMappingNode step in steps.Cast<YamlMappingNode>().Where(s => s.Children.TryGetValue("uses", out YamlNode? uses) && uses.ToString().StartsWith("OWNER/", StringComparison.Ordinal)))
                Assert.All(((YamlMappingNode)step["with"]).Children.Keys, k => Assert.Contains(k.ToString(), inputs));
        }
    }

    // A script that holds an expression is a script that somebody else can write a part of.
    private static void AssertSteps(YamlSequenceNode steps, string where, bool composite)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (YamlMappingNode step in steps.Cast<YamlMappingNode>())
        {
            string name = $"{where}, {step}";
            AssertKeys(step, s_stepKeys, name);
            bool run = step.Children.ContainsKey("run");
            Assert.True(run != step.Children.ContainsKey("uses"), name);
            Assert.True(!run || !composite || step.Children.ContainsKey("shell"), name + ": a composite action names the shell");
            Assert.True(!step.Children.ContainsKey("with") || !run, name);
            if (step.Children.TryGetValue("uses", out YamlNode? uses))
            {
                Assert.Matches(@"^(\./|(actions|OWNER)/[\w.-]+@v\d+)$", uses.ToString());
                // A guest sees the files of the runner.
                Assert.True(!uses.ToString().StartsWith("actions/checkout@", StringComparison.Ordinal) || step.ToString().Contains("persist-credentials", StringComparison.Ordinal), name + ": the checkout leaves a token behind");
            }

            if (step.Children.TryGetValue("id", out YamlNode? id))
                Assert.True(ids.Add(id.ToString()), name);
            if (run && !where.StartsWith(".github/workflows/kernels.yml", StringComparison.Ordinal))
                Assert.DoesNotContain("${{", step["run"].ToString(), StringComparison.Ordinal);
        }
    }

    private static void AssertKeys(YamlMappingNode node, string[] known, string where) =>
        Assert.All(node.Children.Keys, k => Assert.True(known.Contains(k.ToString(), StringComparer.Ordinal), $"{where}: {k}"));
}
