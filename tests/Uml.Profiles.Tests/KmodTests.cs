namespace Uml.CI.Profiles.Tests;

/// <summary>Modules of one's own, built against the debug kernel's configuration, and what <c>uml kmod</c> says of them.</summary>
public sealed class KmodTests(Kernels kernels) : IDisposable
{
    private const string Frame = "#include <linux/module.h>\n#include <linux/slab.h>\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"a test's\");\n";

    private static readonly (string Name, string Code)[] Modules =
    [
        ("t_good", "static int value = 7;\nmodule_param(value, int, 0444);\nstatic int __init t_init(void) { return 0; }\nstatic void __exit t_exit(void) { }\nmodule_init(t_init);\nmodule_exit(t_exit);\n"),
        ("t_warns", "static int __init t_init(void)\n{\n\tWARN(1, \"planted\\n\");\n\treturn 0;\n}\nstatic void __exit t_exit(void) { }\nmodule_init(t_init);\nmodule_exit(t_exit);\n"),
        ("t_leaks", "static int __init t_init(void) { int i; for (i = 0; i < 8; i++) { void *p = kmalloc(333, GFP_KERNEL); OPTIMIZER_HIDE_VAR(p); } return 0; }\nstatic void __exit t_exit(void) { }\nmodule_init(t_init);\nmodule_exit(t_exit);\n"),
        ("t_dies", "static int __init t_init(void) { return 0; }\nstatic void __exit t_exit(void) { *(volatile int *)8 = 1; }\nmodule_init(t_init);\nmodule_exit(t_exit);\n"),
        ("t_stays", "static int __init t_init(void) { return 0; }\nmodule_init(t_init);\n"),
    ];

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-kmod-");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public async Task What_a_module_does_to_a_kernel_is_told()
    {
        string kernel = await BuildAsync();

        // The command's own status, its parameter, and a taint that is no failure.
        ToolRun good = await RunAsync(kernel, ["t_good"], "value=9", "--", "sh", "-c", "cat /sys/module/t_good/parameters/value; exit 3");
        Assert.True(good.ExitCode == 3, good.ToString());
        Assert.Equal("9\n", good.Output);
        Assert.Contains("tainted (O)", good.Error, StringComparison.Ordinal);

        ToolRun clean = await RunAsync(kernel, ["t_good"]);
        Assert.True(clean.ExitCode == 0, clean.ToString());

        ToolRun warns = await RunAsync(kernel, ["t_warns"]);
        Assert.True(warns.ExitCode == 122, warns.ToString());
        Assert.Contains("the kernel complained: WARNING: t_warns.c:7 at t_init+", warns.Error, StringComparison.Ordinal);

        ToolRun leaks = await RunAsync(kernel, ["t_leaks"]);
        Assert.True(leaks.ExitCode == 122, leaks.ToString());
        Assert.Contains("8 objects leaked", leaks.Error, StringComparison.Ordinal);

        ToolRun dies = await RunAsync(kernel, ["t_dies"]);
        Assert.True(dies.ExitCode == 123, dies.ToString());
        Assert.EndsWith(", while the module t_dies was unloaded", dies.Error.Split('\n').First(l => l.Contains("panicked", StringComparison.Ordinal)), StringComparison.Ordinal);

        ToolRun stays = await RunAsync(kernel, ["t_stays"]);
        Assert.True(stays.ExitCode == 122, stays.ToString());
        Assert.Contains("the module t_stays cannot be unloaded", stays.Error, StringComparison.Ordinal);

        ToolRun wrong = await RunAsync(kernel, ["t_good"], "value=x");
        Assert.True(wrong.ExitCode == 125, wrong.ToString());
        Assert.Contains("the kernel says: t_good: `x' invalid for parameter `value'", wrong.Error, StringComparison.Ordinal);
    }

    private Task<ToolRun> RunAsync(string kernel, string[] modules, params string[] rest) =>
        ToolRun.RunAsync(["kmod", "--kernel", kernel, "--memory", "1G", "--append", "kunit.enable=0", .. modules.Select(m => Path.Combine(ModuleDirectory, m + ".ko")), .. rest]);

    private string ModuleDirectory => Directory.CreateDirectory(Path.Combine(_scratch.FullName, "modules")).FullName;

    private async Task<string> BuildAsync()
    {
        BuiltKernel kernel = await kernels.BuildAsync(Kernels.Debug);
        string? tarball = kernels.Store.FindSource(kernel.Record);
        string tree = tarball is null ? "" : tarball[..tarball.IndexOf(".tar", StringComparison.Ordinal)];
        if (!File.Exists(Path.Combine(tree, "Kbuild")))
            Assert.Skip("the kernel's source is not in the kernel store");
        string build = Path.Combine(_scratch.FullName, "build");
        Directory.CreateDirectory(build);
        File.Copy(Path.Combine(kernel.Directory, "config"), Path.Combine(build, ".config"));
        await File.WriteAllTextAsync(Path.Combine(ModuleDirectory, "Kbuild"), $"obj-m := {string.Join(' ', Modules.Select(m => m.Name + ".o"))}\n", Cancel);
        foreach ((string name, string code) in Modules)
            await File.WriteAllTextAsync(Path.Combine(ModuleDirectory, name + ".c"), Frame + code, Cancel);
        await MakeAsync("-C", tree, "O=" + build, "ARCH=um", "-j2", "olddefconfig", "modules_prepare");
        await MakeAsync("-C", tree, "O=" + build, "ARCH=um", "-j2", "M=" + ModuleDirectory, "LOCALVERSION=", "KBUILD_MODPOST_WARN=1", "modules");
        return Path.Combine(kernel.Directory, "linux");
    }

    private static async Task MakeAsync(params string[] arguments) => await new ExternalProgram("/usr/bin/make") { Arguments = [.. arguments] }.RunAsync(Cancel);
}
