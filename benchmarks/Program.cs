using System.Globalization;

namespace Uml.CI.Benchmarks;

internal static class Program
{
    private const string Usage = """
        usage: dotnet run -c Release --project benchmarks [-- [--kernel REFERENCE] [--memory SIZE] [--runs N] [--cli PATH [--project PATH] [--kunit DIR]]]

        Prints medians of N runs (at least 20) with minimum and maximum, each beside a floor measured in the same run:
        the same kernel with an init that only says hello, a program started on the host, a pipe of the host.
        Guests have 256M of memory, or SIZE.
        --cli PATH also measures that uml executable, as a user would start it; --project PATH with it, "dotnet test" of
        that built xunit v3 project inside a guest; --kunit DIR, the unit tests of the kernel that kunit.py built in DIR, beside
        kunit.py: a few suites in N runs, all suites in a quarter of them. With --only-kunit, nothing else.
        """;

    private static async Task<int> Main(string[] arguments)
    {
        string kernel = "debian:sid";
        int runs = 20;
        string? cli = null;
        string? project = null;
        string? kunit = null;
        bool onlyKunit = false;
        long memory = GuestOptions.MinimumMemoryWithHelper;
        for (int i = 0; i < arguments.Length; i++)
        {
            string? value = i + 1 < arguments.Length ? arguments[i + 1] : null;
            switch (arguments[i])
            {
                case "--kernel" when value is not null:
                    kernel = value;
                    i++;
                    break;
                case "--memory" when value is not null:
                    memory = ByteSize.Parse(value);
                    i++;
                    break;
                case "--runs" when int.TryParse(value, CultureInfo.InvariantCulture, out runs) && runs >= 20:
                    i++;
                    break;
                case "--cli" when File.Exists(value):
                    cli = value;
                    i++;
                    break;
                case "--kunit" when Directory.Exists(value):
                    kunit = value;
                    i++;
                    break;
                case "--only-kunit":
                    onlyKunit = true;
                    break;
                case "--project" when Path.Exists(value):
                    project = value;
                    i++;
                    break;
                default:
                    Console.Error.WriteLine(Usage);
                    return 2;
            }
        }

        try
        {
            if (!onlyKunit)
                await new Measurements(kernel, memory, runs, cli, project).RunAsync(Console.Out);
            if (kunit is not null && cli is not null)
            {
                var tests = new KunitRuns(cli, kunit);
                Console.Out.WriteLine(await tests.MeasureAsync("list*", runs));
                Console.Out.WriteLine(await tests.MeasureAsync("", runs / 4));
            }

            return 0;
        }
        catch (Exception e) when (e is GuestException or KernelException or IOException)
        {
            Console.Error.WriteLine($"benchmarks: {e.Message}");
            return 1;
        }
    }
}
