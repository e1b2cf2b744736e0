using System.Runtime.CompilerServices;

namespace Uml.CI;

/// <summary>This program again, as a process that makes an image and can be killed at it.</summary>
internal static class Maker
{
    /// <summary>Names the store to make it in.</summary>
    public const string Variable = "UML_TEST_MAKE_IMAGE_IN";

    [ModuleInitializer]
    internal static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } store)
            return;
        Environment.SetEnvironmentVariable(Variable, null);
        try
        {
            RootImage image = new ImageStore(store).ResolveAsync(ImageReference.Parse("debian:trixie")).GetAwaiter().GetResult();
            Console.WriteLine(image.Record.Sha256);
            Environment.Exit(0);
        }
        catch (KernelException e)
        {
            Console.WriteLine(e.Message);
            Environment.Exit(1);
        }
    }
}
