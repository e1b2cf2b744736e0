using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Uml.CI.Cli.Tests;

public sealed class StreamTests : ToolTests
{
    [Fact]
    public async Task Output_and_error_arrive_apart()
    {
        Run run = await RunAsync("run", "sh", "-c", "echo out; echo err >&2; echo out2");
        Assert.Equal("out\nout2\n", run.Output);
        Assert.Equal("err\n", run.Error);
    }

    [Fact]
    public async Task Bytes_pass_unchanged()
    {
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i), .. "\r\n\0"u8];
        Run run = await RunAsync(["run", "cat"], bytes);
        Assert.Equal(bytes, run.OutputBytes);
    }

    [Fact]
    public async Task Long_input_arrives_whole()
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(20_000_000);
        Run run = await RunAsync(["run", "sha256sum"], bytes);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), run.Output.Split(' ')[0]);
    }

    [Fact]
    public async Task Long_output_arrives_whole()
    {
        const int lines = 22_500_000;
        using Process process = Start(["run", "seq", "1", lines.ToString(CultureInfo.InvariantCulture)]);
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        byte[] hash = await SHA256.HashDataAsync(process.StandardOutput.BaseStream, Cancel);
        await process.WaitForExitAsync(Cancel);
        Assert.True(process.ExitCode == 0, await error);

        using var expected = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        int used = 0;
        long total = 0;
        for (int i = 1; i <= lines; i++)
        {
            Utf8Format(i, buffer, ref used);
            if (used > buffer.Length - 16 || i == lines)
            {
                expected.AppendData(buffer, 0, used);
                total += used;
                used = 0;
            }
        }

        Assert.True(total > 190_000_000);
        Assert.Equal(Convert.ToHexStringLower(expected.GetHashAndReset()), Convert.ToHexStringLower(hash));
    }

    [Fact]
    public async Task Output_is_not_held_back()
    {
        using Process process = Start(["run", "sh", "-c", "printf first; read line; echo \" $line\""]);
        byte[] first = new byte[5];
        await process.StandardOutput.BaseStream.ReadExactlyAsync(first, Cancel);
        Assert.Equal("first"u8, first);
        Run run = await EndAsync(process, "second\n"u8.ToArray());
        Assert.Equal(" second\n", run.Output);
    }

    [Fact]
    public async Task An_output_closed_early_ends_the_command()
    {
        Run run = await ShellAsync("uml run -- yes | head -n 1; echo ${PIPESTATUS[0]}");
        Assert.Equal("y\n141\n", run.Output);
    }

    [Fact]
    public async Task A_command_that_ignores_the_closed_output_is_ended_all_the_same()
    {
        Run run = await ShellAsync("uml run -- sh -c 'trap \"\" PIPE; while :; do echo y; done 2>/dev/null' | head -n 1; echo ${PIPESTATUS[0]}");
        Assert.Equal("y\n141\n", run.Output);
    }

    [Fact]
    public async Task An_output_that_cannot_be_written_is_a_failure()
    {
        Run run = await ShellAsync("uml run -- echo x > /dev/full");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("standard output", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("uml run -- cat <&-", "", 0)]
    [InlineData("uml run -- sh -c 'echo x; exit 4' 2>&-", "x\n", 4)]
    [InlineData("uml run -- sh -c 'echo x; exit 4' >&-", "", 4)]
    [InlineData("uml run -- cat < /dev/null", "", 0)]
    public async Task A_closed_descriptor_is_as_the_null_device(string line, string output, int status)
    {
        Run run = await ShellAsync(line);
        Assert.Equal((output, status), (run.Output, run.ExitCode));
    }

    [Fact]
    public async Task An_input_that_stays_open_holds_nothing_up()
    {
        using Process process = Start(["run", "true"]);
        await process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(60), Cancel);
        Assert.Equal(0, process.ExitCode);
    }

    [Fact]
    public async Task A_loop_that_reads_its_input_keeps_it()
    {
        Run run = await ShellAsync(@"printf 'a\nb\nc\n' | while read -r x; do uml run --no-stdin -- echo ""got $x""; done");
        Assert.Equal("got a\ngot b\ngot c\n", run.Output);
    }

    [Fact]
    public async Task The_kernel_log_can_be_watched()
    {
        Run run = await RunAsync("run", "--kernel-log", "-", "sh", "-c", "echo 'watch this' > /dev/kmsg; echo out");
        Assert.Equal("out\n", run.Output);
        Assert.Contains("Linux version", run.Error, StringComparison.Ordinal);
        Assert.Contains("watch this", run.Error, StringComparison.Ordinal);
    }

    private static void Utf8Format(int value, byte[] buffer, ref int used)
    {
        Assert.True(System.Buffers.Text.Utf8Formatter.TryFormat(value, buffer.AsSpan(used), out int written));
        used += written;
        buffer[used++] = (byte)'\n';
    }
}
