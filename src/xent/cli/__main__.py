from xent.cli import main

main()
