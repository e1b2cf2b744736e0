using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Xunit;

namespace Uml.CI;

/// <summary>A directory for one test, gone with it.</summary>
internal sealed class Scratch : IDisposable
{
    public Scratch(string? name = null)
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), (name ?? "uml-kernel-tests") + "-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] content, bool executable = true)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], content);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(this[name], UnixFileMode.UserRead | UnixFileMode.UserWrite | (executable ? UnixFileMode.UserExecute : UnixFileMode.None));
        return this[name];
    }

    public string Write(string name, string content, bool executable = false) => Write(name, Encoding.UTF8.GetBytes(content), executable);

    public void Dispose() => UnixFiles.DeleteTree(Path);
}

/// <summary>Keeps what was reported.</summary>
internal sealed class Reports : IProgress<KernelProgress>
{
    public ConcurrentQueue<KernelProgress> All { get; } = [];

    public void Report(KernelProgress value) => All.Enqueue(value);
}

/// <summary>A static x86-64 executable that ends with status 0 and calls itself a kernel.</summary>
internal static class TinyKernel
{
    public const string Banner = "Linux version 7.9.3-tiny (someone@somewhere) (gcc 1) #1 SMP PREEMPT Mon Jan  1 00:00:00 UTC 2024";

    public static byte[] Build(string? banner = Banner, string marker = "uml_dir=", ushort machine = 62, ushort type = 2)
    {
        byte[] code = [0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]; // exit(0)
        byte[] text = Encoding.ASCII.GetBytes((banner is null ? "" : banner + "\n") + "\0" + marker + "\0");
        byte[] file = new byte[120 + code.Length + text.Length];
        "\u007fELF"u8.CopyTo(file);
        file[4] = 2;
        file[5] = 1;
        file[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(16), type);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(18), machine);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(20), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(24), 0x400000 + 120);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(52), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(54), 56);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(64), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(68), 5);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(80), 0x400000);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(88), 0x400000);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(96), (ulong)file.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(104), (ulong)file.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(112), 0x1000);
        code.CopyTo(file, 120);
        text.CopyTo(file, 120 + code.Length);
        return file;
    }
}

/// <summary>Stands in for apt and dpkg: hands out a tiny kernel and writes down how it was called.</summary>
internal sealed class FakeApt
{
    private readonly Scratch _scratch;

    public FakeApt(Scratch scratch, string aptGet = "", byte[]? kernel = null)
    {
        _scratch = scratch;
        scratch.Write("tree/usr/bin/linux.uml", kernel ?? TinyKernel.Build());
        scratch.Write("tree/usr/lib/uml/modules/7.9.3-tiny/modules.dep", "kernel/fs/x.ko:\n");
        scratch.Write("sources.list", "deb http://mirror.invalid/debian bookworm main\n");
        scratch.Write("bin/apt-config", $"#!/bin/sh\necho \"LIST='{scratch["sources.list"]}'\"\n", executable: true);
        scratch.Write("bin/apt-get", $$"""
            #!/bin/sh
            echo "$*" >> '{{scratch["apt.log"]}}'
            {{aptGet}}
            case "$*" in
            *update*) mkdir -p ../state/lists; printf 'Origin: Debian\n' > ../state/lists/x_InRelease ;;
            *--print-uris*) echo "'http://mirror.invalid/u.deb' user-mode-linux_1%3a7.9_amd64.deb 1234 SHA256:0" ;;
            *download*) echo dlstatus:1:50.0:x; : > user-mode-linux_1%3a7.9_amd64.deb ;;
            esac
            """.Replace("\r", "", StringComparison.Ordinal), executable: true);
        scratch.Write("bin/dpkg-deb", $"""
            #!/bin/sh
            case "$1" in
            -f) echo 1:7.9 ;;
            -x) cp -r '{scratch["tree"]}/.' "$3" ;;
            esac
            """, executable: true);
    }

    public string[] Calls => File.Exists(_scratch["apt.log"]) ? File.ReadAllLines(_scratch["apt.log"]) : [];

    public int Downloads => Calls.Count(c => c.Contains(" download ", StringComparison.Ordinal) && !c.Contains("--print-uris", StringComparison.Ordinal));

    public HostTools Host => new() { Variable = name => name == "PATH" ? _scratch["bin"] : null };

    public KernelStore Store(string name = "store") => new(_scratch[name], Host);
}

/// <summary>The test program acts as another process that resolves a kernel when its environment says so.</summary>
internal static class OtherProcess
{
    private const string Variable = "UML_KERNEL_TESTS_RESOLVE";

    public static Process Start(string store, string reference, string? directory = null, params (string Name, string? Value)[] environment)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileName(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(OtherProcess).Assembly.Location);
        start.WorkingDirectory = directory;
        foreach ((string name, string? value) in environment)
            start.Environment[name] = value;
        start.Environment[Variable] = store + "\n" + reference;
        return Process.Start(start)!;
    }

    // Before Main, where the test platform would take over. Nothing of this module may run on another thread meanwhile.
    [ModuleInitializer]
    internal static void Act()
    {
        // A packages folder of the user's comes before that of the tests' own settings.
        Environment.SetEnvironmentVariable("NUGET_PACKAGES", null);
        if (Environment.GetEnvironmentVariable(Variable)?.Split('\n') is not [var store, var reference])
            return;
        try
        {
            GuestKernel kernel = new KernelStore(store).ResolveAsync(reference).GetAwaiter().GetResult();
            Console.Out.WriteLine(kernel.ExecutablePath);
            Environment.Exit(0);
        }
        catch (KernelException e)
        {
            Console.Error.WriteLine(e.Message);
            Environment.Exit(1);
        }
    }
}
